"""
3. Units first, and what a step costs
=====================================

Most texts on neural networks lay out their arrays with a row for each sample. Inside
plainmlp a row is a *unit*, and the samples run along it. This lesson shows why, and
counts what a step of training costs, so that you can tell in advance how long a
training takes. The times below are those of the machine that built this page. Yours
differ; the shapes of the curves hardly do.
"""

# %%
# Sums in a stated order
# ----------------------
# A layer computes a sum of products for each unit and sample. Numbers in a computer are
# rounded after each operation, so the order of a sum decides its last digits:

import time

import matplotlib.pyplot as plt
import numpy as np

from plainmlp import MLP, Architecture, Examples, Recipe
from plainmlp.nn.products import weigh

numbers = np.array([1e8, 1, -1e8, 1], np.float32)
print("from the left:", ((numbers[0] + numbers[1]) + numbers[2]) + numbers[3])
print("in pairs:     ", (numbers[0] + numbers[2]) + (numbers[1] + numbers[3]))

# %%
# Libraries for matrix products choose the order by the processor, the number of threads
# and the size of the matrices, since that is fastest. So two machines may disagree in
# the last digits, and after a thousand steps in the first (lesson 6). plainmlp adds in
# a stated order: ``((w0 x0 + w1 x1) + w2 x2) + ...``, over the inputs of each unit.
#
# Such a sum cannot be split among the lanes of a processor: each addition waits for the
# one before. But the sums of different *samples* have nothing to do with one another. A
# processor with 16 lanes can add for 16 samples at once, each in order, if the same
# input of 16 samples lies side by side in memory. With units first it does: a row holds
# one unit for all samples.

n_in, n_out, n_samples = 64, 128, 256
generator = np.random.default_rng(0)
weights = generator.normal(size=(n_in, n_out)).astype(np.float32)
units_first = generator.normal(size=(n_in, n_samples)).astype(
    np.float32
)  # a row for each unit


def in_order(weights, inputs):
    """Return the sums (n_out, n_samples), each added from the first input to the last."""
    sums = np.zeros((weights.shape[1], inputs.shape[1]), np.float32)
    for row, unit in zip(weights, inputs, strict=True):
        sums = (
            sums + row[:, np.newaxis] * unit
        )  # one input, for all samples side by side
    return sums


print(
    "the same bits as in plainmlp:",
    np.array_equal(in_order(weights, units_first), weigh(weights, units_first)),
)

# %%
# How much does it matter where numbers lie? Here are 4 million of them as a square.
# Going along a row touches neighbours. Going down a column touches numbers that are
# 8,192 bytes apart, and memory is fetched in pieces of 64 bytes, so most of each piece
# is fetched in vain.


def seconds(work, repetitions=7):
    """Return the shortest of some times: whatever disturbs only adds."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


square = generator.normal(size=(2048, 2048)).astype(np.float32)
along = seconds(lambda: [row.copy() for row in square])
down = seconds(lambda: [column.copy() for column in square.T])
print(
    f"copied row by row: {1000 * along:.1f} ms, column by column: {1000 * down:.1f} ms"
)

# %%
# What a step costs
# -----------------
# Count multiplications. On the way forward each weight multiplies once a sample. On the
# way back it multiplies twice: once for its own slope, once to send the delta back,
# which the first layer need not do. So a step of :math:`n` samples takes about
#
# .. math:: 3 \, n \, (\text{number of weights})
#
# multiplications and as many additions; the bends and the update are small beside that.
# What is left is a fixed price for each step. Time some steps to see both.


def time_of_a_step(hidden, batch_size):
    """Return the seconds that a step takes, over an epoch of 2,048 samples."""
    inputs, targets = np.ones((2048, 64), np.float32), np.zeros(2048, np.int64)
    network = MLP(
        Architecture((64, hidden, 10), ("relu",), "cross_entropy"),
        Recipe(optimizer="sgd"),
    )
    epochs = network.train(Examples(inputs, targets), epochs=16, batch_size=batch_size)
    next(epochs)
    return seconds(lambda: next(epochs), repetitions=15) * batch_size / 2048


sizes = (16, 32, 64, 128, 256, 512)
batches = (1, 2, 4, 8, 16, 32, 64, 128, 256)
by_size = [time_of_a_step(hidden, 32) for hidden in sizes]
by_batch = [time_of_a_step(64, batch_size) / batch_size for batch_size in batches]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
work = np.array([3 * 32 * (64 + 10) * hidden for hidden in sizes])
left.loglog(work, 1e6 * np.array(by_size), "o-", color="black", label="measured")
left.loglog(
    work,
    1e6 * by_size[-1] * work / work[-1],
    ":",
    color="tab:blue",
    label="in proportion to the work",
)
left.set(title="A step of 32 samples", xlabel="multiplications", ylabel="microseconds")
left.legend()
right.semilogx(batches, 1e6 * np.array(by_batch), "o-", color="black")
right.set(
    title="A sample, by the size of its batch",
    xlabel="samples in a batch",
    ylabel="microseconds for each sample",
    ylim=(0, None),
)
right.set_xticks(batches, [str(size) for size in batches])
right.minorticks_off()
plt.show()

# %%
# On the left, large networks cost in proportion to their work, and small ones pay the
# fixed price on top. On the right, samples that come few at a time are dear, since most
# of the lanes have nothing to do. (A sample alone is a case of its own, with loops that
# go along the units.) From batches of 16 or 32 on, the lanes are full. Larger ones gain
# little time, and make fewer steps an epoch.
#
# **Try it.** How many multiplications are in a training of 50 epochs over 1,257 digits,
# with 64-128-10 units? Divide by the rate that the left picture shows, and compare with
# ``training_seconds`` of a run of ``python pipelines/run.py``. `What a training costs
# on your machine <../../performance.html>`_ measures more of this.
