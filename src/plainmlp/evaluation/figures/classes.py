"""Figures of any classification: the confusion matrix, the reliability diagram, and the worst mistakes among images."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array
from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL, FigureData, grid_of_panels, new_figure
from plainmlp.evaluation.metrics import CALIBRATION_BINS, Reliability, reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_WRITTEN_CLASSES = 20
LONG_NAME = 4
MAX_IMAGES = 25
IMAGES_ACROSS = 5
BRIGHT = 0.55  # the value of cividis from which black is the easier to read


def draw_confusion_matrix(data: FigureData) -> "Figure":
    """Draw how many test samples of each class (row) were predicted as each class (column).

    Notes
    -----
    The colour is the share of the row, so that rare classes show as well as common ones. The counts of more than 20
    classes are left out.
    """
    n_classes = len(data.class_names)
    counts = np.zeros((n_classes, n_classes), np.int64)
    np.add.at(counts, (data.test.targets, data.predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(10.5, max(3.8, 2.6 + 0.42 * n_classes))
    weighted = f", class_weights={data.class_weights}" if data.class_weights else ""
    figure = new_figure(data, f"confusion matrix of the test part{weighted}", side + 1.2, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    if n_classes <= MAX_WRITTEN_CLASSES:
        _write_counts(axes, counts, shares)
    _name_classes(axes, data.class_names)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def draw_calibration(data: FigureData) -> "Figure":
    """Draw accuracy over confidence in 15 bins, and how many test samples each bin holds."""
    bins = reliability(data.test.targets, data.outputs)
    figure = new_figure(data, f"expected calibration error {bins.error:.3f}", 5.6, 5.9)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_reliability(upper, bins)
    _draw_shares(lower, bins)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _write_counts(axes: "Axes", counts: Array, shares: Array) -> None:
    """Write each count into its cell, light on dark and dark on light, unless it is 0."""
    size = 10 if len(counts) <= MAX_WRITTEN_CLASSES // 2 else 8
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] < BRIGHT else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, size=size)


def _name_classes(axes: "Axes", names: list[str]) -> None:
    """Label both axes with the classes, every second, third ... of them if there is no room for all."""
    step = -(-len(names) // 30)
    ticks = list(range(0, len(names), step))
    slanted: Any = (
        {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > LONG_NAME else {}
    )
    axes.set_xticks(ticks, names[::step], **slanted)
    axes.set_yticks(ticks, names[::step])
    axes.set(xlabel="predicted class", ylabel="true class")


def _draw_reliability(axes: "Axes", bins: Reliability) -> None:
    """Draw the accuracy of each filled bin against the diagonal of perfect calibration."""
    filled = bins.counts > 0
    axes.plot([0, 1], [0, 1], color=NEUTRAL, linestyle="--", linewidth=1, label="perfect calibration")
    confidence, accuracy = bins.confidence[filled], bins.accuracy[filled]
    axes.vlines(confidence, confidence, accuracy, color=COLOURS[1], linewidth=3, label="gap")
    axes.plot(confidence, accuracy, "o", color=COLOURS[0], label="network")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy")
    axes.grid(visible=True)


def _draw_shares(axes: "Axes", bins: Reliability) -> None:
    """Draw the share of the samples in each bin."""
    edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
    axes.bar(edges, bins.counts / bins.counts.sum(), width=0.9 / CALIBRATION_BINS, align="edge", color=COLOURS[0])
    axes.set(xlabel="confidence (probability of the predicted class)", ylabel="share of samples")
    axes.grid(visible=True, axis="y")


def draw_worst_mistakes(data: FigureData) -> "Figure":
    """Draw the up to 25 test images with the most probable wrong classes, the worst first.

    Without a mistake, the least certain images are drawn, and the title says so.
    """
    rows, title = select_worst(data)
    n_across, n_down = min(IMAGES_ACROSS, len(rows)), -(-len(rows) // IMAGES_ACROSS)
    figure = new_figure(data, title, max(6.0, 1.75 * n_across), 2.3 * n_down + 0.5)
    for axes, row in zip(grid_of_panels(figure, len(rows), IMAGES_ACROSS), rows, strict=True):
        _draw_image(axes, data, row)
    return figure


def select_worst(data: FigureData) -> tuple[NDArray[np.intp], str]:
    """Return the rows of the test images to show, the worst first, and what they are."""
    confidence = data.outputs.max(axis=1)
    mistakes = np.flatnonzero(data.predicted != data.test.targets)
    if len(mistakes):
        worst = mistakes[np.argsort(-confidence[mistakes], kind="stable")][:MAX_IMAGES]
        return worst, f"{len(mistakes):,} of {len(confidence):,} test images wrong, the worst first"
    unsure = np.argsort(confidence, kind="stable")[:MAX_IMAGES]
    return unsure, f"no mistake in {len(confidence):,} test images, the least certain first"


def _draw_image(axes: "Axes", data: FigureData, row: int) -> None:
    """Draw one image with its true class, the predicted one and its probability."""
    features = data.test.features
    shape = data.description.image_shape
    image = features[row].reshape(shape)
    axes.imshow(image, cmap="gray_r", vmin=features.min(), vmax=features.max(), interpolation="nearest")
    true, predicted = data.test.targets[row], data.predicted[row]
    probability = data.outputs[row, predicted]
    names = data.class_names
    axes.set_title(f"true {names[true]}\npredicted {names[predicted]}\n{probability:.1%}", size=8)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#bbbbbb")
