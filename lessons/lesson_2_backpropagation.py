"""
2. Backpropagation, by hand
===========================

A network has many weights. Training needs to know of each of them how the loss would
change if that weight moved. This lesson computes these slopes with a pencil's worth of
NumPy, from the loss back to the first weight, and checks every one of them in the most
honest way there is: move the weight and look.
"""

# %%
# A network that fits on a page
# -----------------------------
# Two inputs, three hidden units with tanh, one output that is the sum itself, and the
# squared error as the loss, :math:`\frac{1}{2} (y - t)^2`. One sample with its target
# :math:`t`.

import matplotlib.pyplot as plt
import numpy as np

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.network import Batch, Network

x, t = np.array([0.6, -1.0]), 0.5
W1 = np.array([[0.5, -0.3, 0.8], [0.2, 0.7, -0.4]])  # 2 inputs x 3 hidden units
b1 = np.array([0.1, 0.0, -0.2])
W2 = np.array([[0.7], [-0.5], [0.3]])  # 3 hidden units x 1 output
b2 = np.array([0.05])

# %%
# Forward
# -------
# Every layer multiplies, adds and bends. Keep what each of them came to: the way back
# needs it.

z1 = x @ W1 + b1
h = np.tanh(z1)
y = h @ W2 + b2
loss = 0.5 * (y[0] - t) ** 2
print("sums of the hidden layer:", z1.round(4))
print("its outputs:             ", h.round(4))
print(f"output {y[0]:.4f}, target {t}, loss {loss:.4f}")

# %%
# Backward
# --------
# Begin at the end. The slope of the loss along the output is :math:`y - t`. From there
# the chain rule goes back, one factor for each thing that was done on the way forward.
# Call the slope along a layer's sums its *delta*:
#
# - the slope along a weight is what went in, times the delta of where it went;
# - the slope along a bias is that delta itself;
# - the delta of the layer before is this delta, sent back through the weights, times
#   the slope of the bend, which for tanh is :math:`1 - h^2`.

delta2 = y - t
slope_W2 = np.outer(h, delta2)
slope_b2 = delta2
delta1 = (W2 @ delta2) * (1 - h**2)
slope_W1 = np.outer(x, delta1)
slope_b1 = delta1
print("slopes along the first weights:\n", slope_W1.round(4), sep="")

# %%
# That is backpropagation (Rumelhart, Hinton and Williams, 1986). It costs about twice
# as much as the way forward, however many weights there are. The other way to find a
# slope, moving one weight and computing the loss again, costs two ways forward *for
# each weight*. Slow, but it assumes nothing, and so it makes a good check.
#
# The check
# ---------
# Move a weight up by a little and down by a little. The difference of the two losses,
# divided by the distance, is the slope.


def loss_at(parameters):
    """Return the loss for all 13 parameters in one row, in their precision."""
    sample, target = x.astype(parameters.dtype), parameters.dtype.type(t)
    w1, w2, c1, c2 = np.split(parameters, [6, 9, 12])
    hidden = np.tanh(sample @ w1.reshape(2, 3) + c1)
    return 0.5 * ((hidden @ w2.reshape(3, 1) + c2)[0] - target) ** 2


def central_differences(parameters, distance):
    """Return the slope of the loss along each parameter, by moving it."""
    moves = np.eye(len(parameters), dtype=parameters.dtype) * parameters.dtype.type(
        distance
    )
    return np.array(
        [
            (loss_at(parameters + move) - loss_at(parameters - move)) / (2 * distance)
            for move in moves
        ]
    )


parameters = np.concatenate([W1.ravel(), W2.ravel(), b1, b2])
by_hand = np.concatenate([slope_W1.ravel(), slope_W2.ravel(), slope_b1, slope_b2])
measured = central_differences(parameters, 1e-5)
print(f"largest difference: {abs(by_hand - measured).max():.1e}")

# %%
# All 13 slopes agree to ten digits or so. Now a mistake that everybody makes once:
# forget the slope of the bend. The output layer is right all the same, since it lies
# before the mistake on the way back, and so the network still learns a little. That is
# what makes such mistakes hard to notice, and the check worth its time.

forgotten = W2 @ delta2
with_mistake = np.concatenate(
    [np.outer(x, forgotten).ravel(), slope_W2.ravel(), forgotten, slope_b2]
)
names = [f"$w_{{{i}{j}}}$" for i in (1, 2) for j in (1, 2, 3)] + [
    "$v_1$",
    "$v_2$",
    "$v_3$",
    "$b_1$",
    "$b_2$",
    "$b_3$",
    "$c$",
]
places = np.arange(len(names))
figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
axes.bar(places - 0.27, measured, 0.27, label="measured", color="black")
axes.bar(places, by_hand, 0.27, label="by hand", color="tab:blue")
axes.bar(places + 0.27, with_mistake, 0.27, label="bend forgotten", color="tab:orange")
axes.axhline(0, color="black", linewidth=0.8)
axes.set(
    title="The slope of the loss along each parameter",
    xticks=places,
    xticklabels=names,
    ylabel="slope",
)
axes.legend()
plt.show()

# %%
# How far to move
# ---------------
# Why 0.00001? A long move measures the slope of a chord and not of the curve: the error
# of a central difference falls with the *square* of the distance. With a short move two
# losses are nearly equal, and their difference has few digits left: this error grows as
# the distance falls. The best distance lies between. float64 has 16 digits, of which
# ten or eleven survive; float32 has 7, of which four survive, and only at a distance of
# about 0.002. So gradients are checked in float64, also where float32 trains.

distances = np.logspace(-12, 0, 60)
errors = [
    abs(central_differences(parameters, distance) - by_hand).max()
    for distance in distances
]
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.loglog(distances, errors, color="black", label="float64")
small = parameters.astype(np.float32)
errors = [
    abs(central_differences(small, distance) - by_hand).max()
    for distance in distances[25:]
]
axes.loglog(distances[25:], errors, color="tab:blue", linestyle="--", label="float32")
axes.set(
    title="A difference is best neither long nor short",
    xlabel="how far a parameter moves",
    ylabel="largest error",
)
axes.legend()
plt.show()

# %%
# The same in plainmlp
# --------------------
# ``plainmlp.nn.network`` does what stands above, for any number of layers and samples.
# Its arrays have a column for each sample, and the parameters lie in one row: first the
# weights of all layers, then the biases. To the last digits it comes to the same
# slopes.

network = Network(Architecture((2, 3, 1), ("tanh",), "squared_error"), parameters)
batch = Batch(np.array([[0.6], [-1.0]]), targets=np.array([[0.5]]), shares=np.ones(1))
passed = network.differentiate(batch, factor=np.float64(1))
print(
    f"loss: {passed.cost:.4f}",
    f"largest difference: {abs(passed.gradient - by_hand).max():.1e}",
)

# %%
# **Try it.** Take ``np.maximum(z1, 0)`` in place of ``np.tanh(z1)``. What is its slope,
# and at which sum has it none? Then give the network a second hidden layer: what is
# sent back twice?
