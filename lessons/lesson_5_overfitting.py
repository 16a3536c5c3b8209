"""
5. Overfitting, dropout and early stopping
==========================================

A network with enough weights can learn its examples by heart, the noise in them too.
Then it does well on what it has seen and badly on everything else. This lesson watches
that happen, and tries three remedies.
"""

# %%
# By heart
# --------
# Sixteen points of a sine, with noise, and a network with 4,353 parameters. It has 272
# of them for each point.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from plainmlp import MLP, Architecture, Examples, Recipe


def sine(x):
    """Return the curve behind the points."""
    return np.sin(np.pi * x)


generator = np.random.default_rng(2)
x = np.linspace(-1, 1, 16)[:, np.newaxis]
points = Examples(x, sine(x) + generator.normal(0, 0.3, x.shape))
fresh = np.linspace(-1, 1, 300)[:, np.newaxis]

network = MLP(
    Architecture((1, 64, 64, 1), ("tanh", "tanh"), "squared_error"),
    Recipe(learning_rate=0.003),
    dtype="float64",
)
losses, curves = [], {}
for epoch in network.train(
    points, Examples(fresh, sine(fresh)), epochs=2000, batch_size=16
):
    losses.append((epoch.metrics["train_loss"], epoch.metrics["validation_loss"]))
    if epoch.number + 1 in {10, 150, 2000}:
        curves[epoch.number + 1] = network.outputs(fresh)

figure, pictures = plt.subplots(
    1, 3, figsize=(10, 3.4), layout="constrained", sharey=True
)
for axes, (epochs, curve) in zip(pictures, curves.items(), strict=True):
    axes.plot(fresh, sine(fresh), color="0.7", label="the sine")
    axes.plot(fresh, curve, color="tab:orange", label="the network")
    axes.plot(*points[:2], "o", color="black", markersize=4, label="examples")
    axes.set(title=f"after {epochs:,} epochs", xlabel="x", ylim=(-1.9, 1.9))
pictures[0].legend(fontsize="small")
plt.show()

# %%
# First it knows too little, then about enough, and in the end it goes through every
# point that it was shown and misses the sine between them. The losses tell it too, if
# there is something to compare with: the loss on the examples falls, but for a few
# jolts; that on other points falls, turns and rises.

figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
axes.loglog(
    np.arange(1, 2001), losses, label=["on the examples", "on fresh points of the sine"]
)
turn = int(np.argmin([fresh_loss for _, fresh_loss in losses])) + 1
axes.axvline(turn, color="black", linestyle=":", label=f"the turn, in epoch {turn}")
axes.set(
    title="The gap is the overfitting", xlabel="epoch", ylabel="loss", ylim=(1e-4, 1)
)
axes.legend()
plt.show()

# %%
# Three remedies
# --------------
# Now with digits: 300 of them to learn from, 300 to decide with (the validation part),
# and the other 1,197 to be judged by in the end (the test part). To make it hard, about
# every sixth label of the first part is wrong, as labels are in life. Three things may
# help:
#
# - **Early stopping** keeps the parameters of the epoch with the lowest validation
#   loss. It costs nothing but the validation part.
# - **Dropout** leaves out half of the hidden units at random in each step (Srivastava
#   et al., 2014), so that no unit can count on another one.
# - **A penalty** on the squares of the weights, ``l2``, keeps them small, and so the
#   network smooth.

X, y = load_digits(return_X_y=True)
order = generator.permutation(len(y))
X, y = X[order].astype(np.float32) / 16, y[order]
labels = y[:300].copy()
drawn = generator.random(300) < 0.15
labels[drawn] = generator.integers(0, 10, drawn.sum())
is_wrong = labels != y[:300]
train, validation, test = (
    Examples(X[:300], labels),
    Examples(X[300:600], y[300:600]),
    (X[600:], y[600:]),
)
print(f"{is_wrong.sum()} of 300 labels are wrong")

digits = Architecture((64, 128, 10), ("relu",), "cross_entropy")
remedies = {
    "no remedy": {},
    "dropout": {"dropout": 0.5},
    "penalty": {"l2": 0.01},
    "dropout and penalty": {"dropout": 0.5, "l2": 0.01},
}


def trained(seed, **remedy):
    """Return a network after up to 100 epochs, and its validation loss after each."""
    network = MLP(digits, Recipe(seed=seed, learning_rate=0.003, **remedy))
    epochs = network.train(train, validation, epochs=100, batch_size=20)
    history = [epoch.metrics["validation_loss"] for epoch in epochs]
    return network, history


figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, remedy in remedies.items():
    network, history = trained(0, **remedy)
    (line,) = axes.plot(history, label=name)
    axes.plot(np.argmin(history), min(history), "o", color=line.get_color())
    learned = (network.outputs(train.inputs).argmax(axis=1) == labels)[is_wrong].mean()
    print(f"{name:>20}: {learned:.0%} of the wrong labels are known by heart")
axes.set(
    title="The dots are where early stopping keeps the network",
    xlabel="epoch",
    ylabel="validation loss",
    ylim=(0.3, 1),
)
axes.legend(loc="upper right")
plt.show()

# %%
# Without a remedy the network ends up knowing nearly every wrong label. A picture of
# one seed convinces nobody, though. So here is the test part, over five seeds, with the
# standard deviation. ``patience`` is early stopping: so many epochs without a lower
# loss, and the training ends.


def accuracy(network):
    """Return the share of the test part that a network reads right."""
    return (network.outputs(test[0]).argmax(axis=1) == test[1]).mean()


print(f"{'test accuracy':>20}  all 100 epochs     early stopping")
for name, remedy in remedies.items():
    columns = []
    for more in ({}, {"patience": 20}):
        results = [accuracy(trained(seed, **remedy, **more)[0]) for seed in range(5)]
        columns.append(f"{np.mean(results):.1%} +- {100 * np.std(results, ddof=1):.1f}")
    print(f"{name:>20}: " + "      ".join(columns))

# %%
# The remedies do different things, so two of them together can do better than either. A
# penalty makes a network less sure of everything: its validation loss looks worse than
# its accuracy is. Which of the two matters is a question for whoever uses the answers.
#
# **Try it.** Let all labels be right. How much of the gain is left? What nobody should
# try: choosing among remedies by the *test* part. Whatever chooses has seen it, and the
# figure is worth less than it looks. In a sweep, plainmlp ranks on the validation part
# and looks at the test part once, for the best.
