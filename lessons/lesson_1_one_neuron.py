"""
1. One neuron
=============

A neuron takes some numbers, multiplies each by a weight, adds the products and a bias,
and sends the sum through a function. That is all of it. In this lesson one neuron
learns to tell two clouds of points apart. Then it meets a task that no single neuron
can do.
"""

# %%
# Two clouds of points
# --------------------
# Each point has two coordinates, and belongs to cloud 0 or cloud 1.

# sphinx_gallery_thumbnail_number = 2
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from plainmlp import MLP, Architecture, Examples, Recipe

generator = np.random.default_rng(1)
points = np.concatenate(
    [
        generator.normal((-1, -0.5), 0.8, (100, 2)),
        generator.normal((1, 1), 0.8, (100, 2)),
    ]
)
clouds = np.repeat([0.0, 1.0], 100)


def neuron(points, weights, bias):
    """Return how sure the neuron is that points belong to cloud 1, from 0 to 1."""
    return 1 / (1 + np.exp(-(points @ weights + bias)))


# %%
# With two weights and a bias picked at random, the neuron guesses. Its answer is 0.5
# along a straight line, where :math:`w_1 x_1 + w_2 x_2 + b = 0`, and moves towards 0 on
# one side of it and towards 1 on the other.

weights, bias = np.array([1.0, -1.5]), 0.5
right = (neuron(points, weights, bias) > 0.5) == clouds
print(f"right: {right.mean():.0%}")

# %%
# Learning
# --------
# How wrong is an answer :math:`p`? The *cross-entropy* says :math:`-\log(p)` for a point
# of cloud 1, and :math:`-\log (1 - p)` for one of cloud 0: nothing for an answer that
# is right and sure, and a lot for one that is wrong and sure. Its slope along each
# weight is the mean of (answer - target) times the input, which is as simple as it
# could be. A step of *gradient descent* moves every weight a little against its slope.

losses, lines = [], {0: (weights, bias)}
for step in range(1, 201):
    answers = neuron(points, weights, bias)
    losses.append(-np.log(np.where(clouds == 1, answers, 1 - answers)).mean())
    errors = answers - clouds
    weights = weights - 0.5 * (errors @ points) / len(points)
    bias = bias - 0.5 * errors.mean()
    if step in {5, 20, 200}:
        lines[step] = weights, bias

right = (neuron(points, weights, bias) > 0.5) == clouds
print(f"right: {right.mean():.0%}, weights: {weights.round(2)}, bias: {bias:.2f}")

# %%
# The line turns until it stands between the clouds. It goes on moving a little after
# that, since being surer also lowers the loss.


def show_points(axes, points, classes):
    """Draw the points of two classes."""
    for value, colour, marker in ((0, "tab:blue", "o"), (1, "tab:orange", "^")):
        chosen = points[classes == value]
        axes.scatter(
            chosen[:, 0],
            chosen[:, 1],
            20,
            colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.4,
        )
    axes.set(xlabel="$x_1$", ylabel="$x_2$")


figure, (left, right_hand) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
show_points(left, points, clouds)
for (step, (w, b)), style in zip(lines.items(), (":", "-.", "--", "-"), strict=True):
    left.axline(
        (0, -b / w[1]),
        slope=-w[0] / w[1],
        color="black",
        linestyle=style,
        label=f"after {step} steps" if step else "at the start",
    )
left.set(title="Where the neuron says 0.5", xlim=(-3.5, 3.5), ylim=(-3, 3.5))
left.legend(fontsize="small")
right_hand.plot(losses, color="black")
right_hand.set(
    title="The loss of each step", xlabel="step", ylabel="cross-entropy", ylim=(0, None)
)
plt.show()

# %%
# What one neuron cannot do
# -------------------------
# Four clouds now, and those at opposite corners belong together. No straight line parts
# them, so no neuron does. Three neurons that look at the points, and a fourth that
# looks at *their* answers, can: the three draw lines, the fourth joins them. That is a
# multilayer perceptron.
#
# ``Architecture((2, 3, 1), ...)`` is such a network: 2 inputs, 3 hidden units, 1
# output.

corners = np.array([(-1, -1), (1, 1), (-1, 1), (1, -1)])
points = np.concatenate([generator.normal(corner, 0.4, (60, 2)) for corner in corners])
classes = np.repeat([0.0, 0.0, 1.0, 1.0], 60)
examples = Examples(points, classes[:, np.newaxis])

alone = MLP(
    Architecture((2, 1), (), "binary_cross_entropy"),
    Recipe(learning_rate=0.05),
    dtype="float64",
)
several = MLP(
    Architecture((2, 3, 1), ("tanh",), "binary_cross_entropy"),
    Recipe(seed=1, learning_rate=0.05),
    dtype="float64",
)
for network in (alone, several):
    for epoch in network.train(examples, epochs=200):
        pass
    print(
        network.architecture.layer_sizes,
        f"right: {epoch.metrics['train_accuracy']:.0%}",
    )

# %%
# The colours are the answers of each network, and the lines on the right are where each
# hidden unit is 0.

BLUE_TO_ORANGE = LinearSegmentedColormap.from_list(
    "", ["tab:blue", "white", "tab:orange"]
)
across = np.linspace(-2.5, 2.5, 200)
grid = np.stack(np.meshgrid(across, across), axis=-1).reshape(-1, 2)
figure, pair = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
for axes, network, title in zip(
    pair,
    (alone, several),
    ("One neuron", "Three, and one that joins them"),
    strict=True,
):
    answers = network.outputs(grid).reshape(200, 200)
    colours = axes.pcolormesh(
        across, across, answers, cmap=BLUE_TO_ORANGE, alpha=0.5, vmin=0, vmax=1
    )
    show_points(axes, points, classes)
    axes.set(title=title, xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
for w, b in zip(several.layers.weights[0].T, several.layers.biases[0], strict=True):
    pair[1].axline(
        (0, -b / w[1]), slope=-w[0] / w[1], color="black", linestyle="--", linewidth=1
    )
figure.colorbar(colours, ax=pair, label="answer", ticks=[0, 0.5, 1])
plt.show()

# %%
# **Try it.** Give the network 2 hidden units in place of 3. Does it still find a way
# from every seed, 0 to 9? Leave ``tanh`` out by naming ``identity``: why do three
# neurons without a bend do no better than one?
