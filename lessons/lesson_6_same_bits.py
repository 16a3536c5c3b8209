"""
6. What "the same bits" means
=============================

Run the same training twice, and the results should be equal. Not close: equal, to the
last bit of every weight. This lesson shows what such a bit is, what happens when a
single one of them differs, and how a digest finds out.
"""

# %%
# A number and its last bit
# -------------------------
# A weight is a float32: 32 bits, one for the sign, 8 for the power of two, 23 for the
# digits. The last bit is worth about a ten-millionth of the number. Turn it over and
# you get the number next to it.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from plainmlp import MLP, Architecture, Examples, Recipe


def bits(number):
    """Return sign, power and digits of a float32, in bits."""
    written = f"{np.float32(number).view(np.uint32):032b}"
    return f"{written[0]} {written[1:9]} {written[9:]}"


weight = np.float32(0.1)
neighbour = (weight.view(np.uint32) ^ np.uint32(1)).view(np.float32)
print(bits(weight), f"{weight:.12f}")
print(bits(neighbour), f"{neighbour:.12f}")

# %%
# Who would change last bits? Addition does. A computer rounds each sum to the nearest
# number that it has, so the order of additions matters, and libraries choose an order
# that suits the processor:

values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
in_order = np.float32(0)
for value in values:
    in_order = in_order + value
sixteen_lanes = values.reshape(-1, 16).sum(axis=0, dtype=np.float32)
other_order = sixteen_lanes.sum()
print(bits(in_order), in_order)
print(bits(other_order), other_order)

# %%
# Twice the same
# --------------
# plainmlp adds in a stated order, on every machine, and every function is made of
# operations that IEEE 754 defines to the last bit. So two trainings agree, and a
# digest, the SHA-256 of all weights, says so in 64 letters. These are the same 64
# letters on your machine. (Only a new version of NumPy might draw other initial weights.)

X, y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16
examples, fresh = Examples(X[:1400], y[:1400]), X[1400:]
architecture = Architecture((64, 32, 10), ("relu",), "cross_entropy")
recipe = Recipe(optimizer="sgd", learning_rate=0.1)
EPOCHS = 60


def states(network):
    """Yield the parameters before the first epoch and after each."""
    yield network.parameters.copy()
    for _ in network.train(examples, epochs=EPOCHS):
        yield network.parameters.copy()


first, second = MLP(architecture, recipe), MLP(architecture, recipe)
run, same = list(states(first)), list(states(second))
print(first.weights_digest)
print(second.weights_digest)

# %%
# One bit
# -------
# Now turn over the last bit of *one* weight before the training begins: of the largest
# one that leads from a pixel in the middle. The other 2,409 parameters stay as they
# are.

changed = MLP(architecture, recipe)
parameters = changed.parameters.copy()
place = 32 * 36 + int(
    abs(parameters[32 * 36 : 32 * 37]).argmax()
)  # pixel 36 of 64, to one of 32 hidden units
parameters.view(np.uint32)[place] ^= 1
parted = list(states(MLP(architecture, recipe, parameters=parameters)))

print(
    f"before: {parameters[place] - changed.parameters[place]:.1e}",
    f"in one parameter of {len(parameters):,}",
)
n_different = [
    int((one != other).sum()) for one, other in zip(run, parted, strict=True)
]
print(
    "different parameters after 0, 1, 2 and all epochs:",
    [n_different[epoch] for epoch in (0, 1, 2, EPOCHS)],
)

# %%
# One epoch is 44 steps, and the difference is all over the network already. Every step
# carries it on: a changed weight changes outputs, those change the slopes of *all*
# weights, and each rounding adds a little of its own. How far do the runs part?


def distances(recipe):
    """Return how far two runs part, and how many fresh digits they read otherwise."""
    pair = MLP(architecture, recipe), MLP(architecture, recipe, parameters=parameters)
    far = [
        np.linalg.norm(one.astype(np.float64) - other)
        for one, other in zip(*map(states, pair), strict=True)
    ]
    one, other = (network.outputs(fresh).argmax(axis=1) for network in pair)
    return far, int((one != other).sum())


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for optimizer, learning_rate, style in (
    ("sgd", 0.1, "-"),
    ("nesterov", 0.2, "--"),
    ("adam", 0.03, ":"),
):
    far, n_otherwise = distances(
        Recipe(optimizer=optimizer, learning_rate=learning_rate)
    )
    left.semilogy(
        far,
        "black",
        linestyle=style,
        label=f"{optimizer}, learning rate {learning_rate}",
    )
    print(
        f"{optimizer}, {learning_rate}:",
        f"{n_otherwise} of {len(fresh)} fresh digits are read otherwise",
    )
left.set(
    title="Two runs that begin one bit apart",
    xlabel="epoch",
    ylabel="length of the difference",
)
left.legend()
difference = (
    abs(parted[1] - run[1])[: 64 * 32].reshape(64, 32).max(axis=1).reshape(8, 8)
)
picture = right.imshow(np.log10(np.maximum(difference, 1e-10)), cmap="magma")
right.plot(
    36 % 8,
    36 // 8,
    "o",
    markerfacecolor="none",
    markeredgecolor="tab:cyan",
    markersize=22,
    markeredgewidth=2,
)
right.set(
    title="After one epoch, by pixel; the circle had the bit", xticks=[], yticks=[]
)
figure.colorbar(picture, ax=right, label="largest difference, power of ten")
plt.show()

# %%
# Gentle training pulls both runs towards the same place, and the difference stays near
# a hundred-thousandth. Longer steps are less kind. From epoch to epoch the difference
# grows by about the same factor, as it does in the weather, until something bounds it:
# here a training that settles, there nothing but the size of the weights. With ``adam``
# these are two networks in the end, and they read some digits differently. Which of
# them is the one that was published?
#
# Nobody can see beforehand which training is gentle. That is why "about the same
# weights" is no promise to build on.
#
# What it is good for
# -------------------
# "About the same" has no end: is a difference of 0.0001 rounding, or a mistake? Equal
# bits leave nothing to argue about.
#
# - A change of the code that should change no result changes no digest. If one changes,
#   look.
# - A run that was killed goes on from its checkpoint and ends with the digest of one
#   that was not.
# - ``python pipelines/verify.py <run id>`` executes a recorded run again, on any
#   machine, and says *identical* or *different*; and in the second case in which epoch
#   the runs part, since each epoch has a digest.
#
# `Reproducibility <../../reproducibility.html>`_ says what exactly is promised, and
# under which conditions.
#
# **Try it.** Turn over a bit of another weight, one that leads from a pixel in the
# corner which is empty in every digit. Does it spread? Why not?
