"""
4. A learning rate, found by a grid
===================================

The learning rate says how far a step goes. It is the one setting that decides whether a
network learns at all, and nobody can compute it beforehand. So it is tried. This lesson
tries a grid of rates, and shows what to look at so that luck does not choose.
"""

# %%
# Three rates
# -----------
# Handwritten digits, 8 by 8 pixels, ten classes; a third of them is kept apart to
# choose with.

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from plainmlp import MLP, Architecture, Examples, Recipe

X, y = load_digits(return_X_y=True)
split = train_test_split(
    X.astype(np.float32) / 16, y, test_size=1 / 3, random_state=0, stratify=y
)
train, validation = Examples(split[0], split[2]), Examples(split[1], split[3])
digits = Architecture((64, 32, 10), ("relu",), "cross_entropy")


def train_once(optimizer, learning_rate, seed, epochs):
    """Return the metrics of each epoch, as a list for each name."""
    network = MLP(
        digits, Recipe(seed=seed, optimizer=optimizer, learning_rate=learning_rate)
    )
    history = [
        epoch.metrics for epoch in network.train(train, validation, epochs=epochs)
    ]
    return {name: [metrics[name] for metrics in history] for name in history[0]}


figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for learning_rate, style in ((0.001, ":"), (0.1, "-"), (3.0, "--")):
    history = train_once("sgd", learning_rate, seed=0, epochs=30)
    axes.semilogy(
        history["train_loss"],
        color="black",
        linestyle=style,
        label=f"learning rate {learning_rate}",
    )
axes.set(title="Too short, good, too long", xlabel="epoch", ylabel="training loss")
axes.legend()
plt.show()

# %%
# The short steps would arrive some day. The long ones leap over the valley, again and
# again, until the hidden units are dead and the network says the same of every digit.
#
# A grid
# ------
# Rates act by factors, so a grid of them is spaced evenly on a logarithmic scale:
# 0.001, 0.003, 0.01 and so on. Every rate is tried from five seeds. One training from
# one seed is one draw of luck, and the best of many draws is mostly the luckiest.

rates = np.array([0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0])
seeds = range(5)
losses = {
    optimizer: np.array(
        [
            [
                train_once(optimizer, rate, seed, epochs=15)["validation_loss"][-1]
                for seed in seeds
            ]
            for rate in rates
        ]
    )
    for optimizer in ("sgd", "nesterov", "adam")
}

figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for (optimizer, of_optimizer), (colour, marker) in zip(
    losses.items(),
    (("black", "o"), ("tab:blue", "s"), ("tab:orange", "^")),
    strict=True,
):
    axes.loglog(
        rates,
        np.median(of_optimizer, axis=1),
        marker + "-",
        color=colour,
        label=optimizer,
    )
    axes.fill_between(
        rates,
        of_optimizer.min(axis=1),
        of_optimizer.max(axis=1),
        color=colour,
        alpha=0.15,
        linewidth=0,
    )
axes.set(
    title="15 epochs from five seeds: middle, best and worst",
    xlabel="learning rate",
    ylabel="validation loss",
)
axes.set_ylim(0.06, 10)
axes.legend()
plt.show()

# %%
# What the picture says:
#
# - Each optimiser has a valley, and they lie in different places. "The" learning rate
#   is that of an optimiser, a network and a batch size; compare two optimisers only at
#   the best rate of each.
# - The valley has a gentle slope on the left and a cliff on the right. If in doubt,
#   take the smaller of two rates.
# - Near the bottom the bands overlap: which of two neighbours is better cannot be told
#   from five seeds, and need not be.
# - If the best rate were the first or the last of the grid, the grid would be too
#   short.

for optimizer, of_optimizer in losses.items():
    mean, spread = of_optimizer.mean(axis=1), of_optimizer.std(axis=1, ddof=1)
    best = mean.argmin()
    print(
        f"{optimizer:>8}: {rates[best]:g}, loss {mean[best]:.3f} +- {spread[best]:.3f}"
    )

# %%
# The same as one command
# -----------------------
# ``-m`` makes a grid of whatever has commas. Each point becomes a run in MLflow, and
# the leaderboard says with a test which rates cannot be told from the best:
#
# .. code-block:: shell
#
#    python pipelines/run.py -m optimizer=adam seed=0,1,2,3,4 \
#        optimizer.learning_rate=0.001,0.003,0.01,0.03
#
# With scikit-learn's ``GridSearchCV`` the grid is one call, since the networks are
# estimators too:

from sklearn.model_selection import GridSearchCV

from plainmlp import MLPClassifier

search = GridSearchCV(
    MLPClassifier((32,), batch_size=32, early_stopping=True, n_iter_no_change=5),
    {"learning_rate_init": [0.001, 0.003, 0.01, 0.03]},
    cv=3,
)
search.fit(*train[:2])
print(search.best_params_, f"accuracy {search.best_score_:.3f}")

# %%
# A smaller rate than before, since the question was another one: with early stopping
# each training may take the time that it wants. The best rate of 15 epochs need not be
# the best of a hundred.
#
# **Try it.** Double the batch size and look for the valley of ``sgd`` again. Which way
# has it moved? Then let a schedule shorten the steps, ``Recipe(schedule="cosine")``: do
# longer first steps pay now?
