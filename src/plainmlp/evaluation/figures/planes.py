"""Figures of classifications with two features: the data as points, and the regions of the classes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Part
from plainmlp.evaluation.figures.canvas import (
    COLOURS,
    NEUTRAL,
    WRONG,
    FigureData,
    class_colours,
    new_figure,
    point_style,
    thinned,
    value_range,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

GRID_STEPS = 300
PALENESS = 0.65
MAX_POINTS = 15_000


def draw_data(data: FigureData) -> "Figure":
    """Draw all samples of the train and the test part, coloured by their class."""
    samples = _all_samples(data)
    rows, note = thinned(len(samples), MAX_POINTS)
    shown = samples.take(rows)
    figure, axes = _new_plane(data, f"{len(samples):,} samples by class{note}")
    colours = class_colours(len(data.class_names))
    # One call for all classes, in the order of the rows: drawn one by one, the last class would cover the others.
    axes.scatter(shown.features[:, 0], shown.features[:, 1], c=colours[shown.targets], **point_style(len(rows)))
    _add_legend(figure, _name_classes(axes, data, "o", colours))
    return figure


def draw_right_and_wrong(data: FigureData) -> "Figure":
    """Draw the right and the wrong test points in two colours."""
    figure, axes = _new_plane(data, _share_right(data))
    _add_legend(figure, draw_points(axes, data))
    return figure


def draw_decision_regions(data: FigureData) -> "Figure":
    """Draw the region of each predicted class, with the right and the wrong test points."""
    figure, axes = _new_plane(data, f"decision regions, {_share_right(data)}")
    colours = draw_regions(axes, data)
    points = draw_points(axes, data)
    _add_legend(figure, [*points, *_name_classes(axes, data, "s", colours)])
    return figure


def _share_right(data: FigureData) -> str:
    """Return how much of the test part is right, and how much of it is drawn."""
    _, note = thinned(len(data.test), MAX_POINTS)
    return f"{(data.predicted == data.test.targets).mean():.1%} of {len(data.test):,} test points right{note}"


def _all_samples(data: FigureData) -> Part:
    features = np.concatenate([data.train.features, data.test.features])
    return Part(features, np.concatenate([data.train.targets, data.test.targets]))


def _new_plane(data: FigureData, title: str) -> tuple["Figure", "Axes"]:
    """Return a figure, and axes with the names of the two features."""
    figure = new_figure(data, title, 7.0, 5.2)
    axes = figure.subplots()
    horizontal, vertical = data.column_names
    axes.set(xlabel=horizontal, ylabel=vertical)
    return figure, axes


def draw_regions(axes: "Axes", data: FigureData) -> NDArray[np.float64]:
    """Fill the plane with the colour of the class that is predicted there; return the colours of the classes."""
    colours = PALENESS + (1 - PALENESS) * class_colours(len(data.class_names))
    features = _all_samples(data).features
    (left, right), (bottom, top) = value_range(features[:, 0]), value_range(features[:, 1])
    across, up = np.meshgrid(np.linspace(left, right, GRID_STEPS), np.linspace(bottom, top, GRID_STEPS))
    predicted = data.predict(np.stack([across.ravel(), up.ravel()], axis=1)).argmax(axis=1)
    picture = colours[predicted].reshape(GRID_STEPS, GRID_STEPS, 3)
    axes.imshow(picture, extent=(left, right, bottom, top), origin="lower", aspect="auto", interpolation="nearest")
    return colours


def draw_points(axes: "Axes", data: FigureData) -> list["Line2D"]:
    """Draw the test points, wrong ones as crosses over the others; return their legend entries."""
    all_right = data.predicted == data.test.targets
    rows, _ = thinned(len(all_right), MAX_POINTS)
    right, style = all_right[rows], point_style(len(rows))
    horizontal, vertical = np.asarray(data.test.features)[rows].T
    axes.scatter(horizontal[right], vertical[right], color=NEUTRAL, marker="o", label="right", **style)
    size = max(10.0, 2 * style["s"])
    axes.scatter(horizontal[~right], vertical[~right], color=WRONG, marker="x", label="wrong", s=size, linewidths=1.1)
    counts = all_right.sum(), (~all_right).sum()
    return [_handle("o", NEUTRAL, f"right ({counts[0]:,})"), _handle("x", WRONG, f"wrong ({counts[1]:,})")]


def _name_classes(axes: "Axes", data: FigureData, marker: str, colours: NDArray[np.float64]) -> list["Line2D"]:
    """Return a legend entry for each class, or write the names on the plane if there are too many colours."""
    if len(colours) <= len(COLOURS):
        return [_handle(marker, tuple(colour), name) for colour, name in zip(colours, data.class_names, strict=True)]
    samples = _all_samples(data)
    for index in np.unique(samples.targets):
        middle = np.nanmedian(samples.features[samples.targets == index], axis=0)
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        axes.text(middle[0], middle[1], data.class_names[index], size=8, ha="center", va="center", bbox=box)
    return []


def _handle(marker: str, colour: Any, label: str) -> "Line2D":
    """Return a legend entry: a marker of a readable size, however small the points are."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", marker=marker, markersize=7, color=colour, label=label)


def _add_legend(figure: "Figure", handles: list["Line2D"]) -> None:
    """Put the legend beside the axes, so that it covers no data."""
    if handles:
        figure.legend(handles=handles, loc="outside right center")
