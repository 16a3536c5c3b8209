"""Figures of classes: the confusion matrix, reliability, the worst mistakes among images, scores, all thresholds."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array
from plainmlp.evaluation.breakdown import class_scores
from plainmlp.evaluation.figures.canvas import (
    COLOURS,
    NEUTRAL,
    FigureData,
    caption,
    grid_of_panels,
    new_figure,
    thinned,
)
from plainmlp.evaluation.metrics import CALIBRATION_BINS, Reliability, reliability
from plainmlp.evaluation.ranking import Passed, average_precision, rank, roc_area
from plainmlp.evaluation.scores import MAX_RANKED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_WRITTEN_CLASSES = 20
LONG_NAME = 4
MAX_IMAGES = 25
IMAGES_ACROSS = 5
MAX_BARS = 30
SCORES = ("precision", "recall", "F1")
MARKERS = ("o", "s", "D")
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


def names_of(data: FigureData) -> list[str]:
    """Return the names of the classes, or of the labels."""
    return data.class_names or data.target_names


def draw_class_scores(data: FigureData) -> "Figure":
    """Draw precision, recall and F1 of each class or label; if there are very many, of those with the lowest F1."""
    scores, samples = class_scores(data.description, data.test.targets, data.outputs)
    names, order = names_of(data), np.arange(len(samples))
    note = ""
    if len(order) > MAX_BARS:
        order = np.sort(np.argsort(np.nan_to_num(scores[2], nan=2), kind="stable")[:MAX_BARS])
        note = f", the {MAX_BARS} lowest of {len(names)}"
    figure = new_figure(data, f"scores of each class{note}", 6.4, max(2.6, 1.6 + 0.3 * len(order)))
    axes = figure.subplots()
    places = np.arange(len(order))
    low, high = np.fmin.reduce(scores[:, order]), np.fmax.reduce(scores[:, order])
    axes.hlines(places, low, high, color="#cccccc", linewidth=2, zorder=1)
    for values, name, colour, marker in zip(scores[:, order], SCORES, COLOURS, MARKERS, strict=False):
        axes.scatter(values, places, color=colour, marker=marker, s=30, label=name, zorder=2, alpha=0.9)
    axes.set_yticks(places, [f"{names[place]} ({samples[place]})" for place in order])
    ends = max(-0.03, float(np.nan_to_num(np.fmin.reduce(low))) - 0.08), 1.03
    axes.set(xlabel="score", ylabel="class (samples)", xlim=ends, ylim=(len(order) - 0.5, -0.5))
    axes.grid(visible=True, axis="x")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def draw_threshold_curves(data: FigureData) -> "Figure":
    """Draw the ROC and the precision-recall curve of the classes, each against all others.

    Notes
    -----
    If there are more classes than colours, those with the smallest area under the ROC curve; of two, the second.
    """
    rows, left_out = thinned(len(data.test), MAX_RANKED)
    ranking = rank(data.description.task, data.test.targets[rows], data.outputs[rows])
    names = names_of(data)[-len(ranking.scores) :]
    once = np.ones((len(rows), 1), np.int64)
    areas = [float(roc_area(ranking.passed(place, once))[0]) for place in range(len(names))]
    drawn = sorted(np.flatnonzero(~np.isnan(areas)).tolist(), key=lambda place: areas[place])
    shown = sorted(drawn[: len(COLOURS)])
    note = f", the {len(shown)} of {len(names)} classes that are hardest to tell" if len(shown) < len(drawn) else ""
    figure = new_figure(data, f"every threshold{note}{left_out}", 9.6, 4.9)
    roc, precision = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color=NEUTRAL, linestyle="--", linewidth=1)
    for place, colour in zip(shown, COLOURS, strict=False):
        passed = ranking.passed(place, once)
        precise = float(average_precision(passed)[0])
        label = f"{caption(names[place])}: area {areas[place]:.3f}, average precision {precise:.3f}"
        _draw_curves(roc, precision, passed, colour, label)
    roc.set(xlabel="false positive rate", ylabel="true positive rate (recall)", title="ROC")
    precision.set(xlabel="recall", ylabel="precision", title="precision and recall")
    for axes in (roc, precision):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.grid(visible=True)
    figure.legend(*roc.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_curves(roc: "Axes", precision: "Axes", passed: Passed, colour: str, label: str) -> None:
    """Draw both curves of a class; both begin where nothing passes."""
    hits, samples = passed.hits[:, 0], passed.samples[:, 0]
    others = samples - hits
    recall = hits / hits[-1]
    roc.plot(np.append(0, others / others[-1]), np.append(0, recall), color=colour, linewidth=1.6, label=label)
    precision.step(np.append(0, recall), np.append(1, hits / samples), color=colour, linewidth=1.6, where="pre")
