"""Figures of a regression: its predictions and their residuals; and what each column is worth to any network."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainmlp.evaluation.figures.canvas import (
    COLOURS,
    NEUTRAL,
    FigureData,
    caption,
    grid_of_panels,
    new_figure,
    point_style,
    thinned,
    value_range,
)
from plainmlp.evaluation.figures.curves import MAX_POINTS, MAX_TARGETS, TARGETS_ACROSS, limit_note

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COLUMNS = 25


def draw_predicted_against_actual(data: FigureData) -> "Figure":
    """Draw each test prediction over its target, with a panel for each target and the line on which they are equal."""
    figure, rows, panels = _panels_of_targets(data, "predicted against actual", (3.4, 1.0), (3.4, 0.6))
    for target, axes in enumerate(panels):
        actual, predicted = data.test.targets[rows, target], data.outputs[rows, target]
        limits = value_range(np.concatenate([actual, predicted]))
        axes.plot(limits, limits, color=NEUTRAL, linestyle="--", linewidth=1, zorder=1)
        axes.scatter(actual, predicted, color=COLOURS[0], zorder=2, **point_style(len(rows)))
        axes.set(xlim=limits, ylim=limits, xlabel="actual", ylabel="predicted", aspect="equal")
        axes.grid(visible=True)
        axes.set_title(data.target_names[target])
    return figure


def draw_residuals(data: FigureData) -> "Figure":
    """Draw the error of each test prediction over the prediction, with a panel for each target."""
    figure, rows, panels = _panels_of_targets(data, "residuals", (3.6, 1.0), (3.0, 0.6))
    for target, axes in enumerate(panels):
        predicted = data.outputs[rows, target]
        axes.axhline(0, color=NEUTRAL, linestyle="--", linewidth=1, zorder=1)
        residuals = predicted - data.test.targets[rows, target]
        axes.scatter(predicted, residuals, color=COLOURS[0], zorder=2, **point_style(len(rows)))
        title = data.target_names[target]
        axes.set(xlabel="predicted", ylabel="predicted - actual", title=title, xlim=value_range(predicted))
        axes.grid(visible=True)
    return figure


def _panels_of_targets(
    data: FigureData, title: str, width: tuple[float, float], height: tuple[float, float]
) -> tuple["Figure", NDArray[np.intp], list["Axes"]]:
    """Return a figure, the test rows to draw, and a panel for each target; sizes are of a panel, and what comes to all."""
    n_targets = len(data.target_names[:MAX_TARGETS])
    n_across, n_down = min(TARGETS_ACROSS, n_targets), -(-n_targets // TARGETS_ACROSS)
    rows, note = thinned(len(data.test), MAX_POINTS // n_targets)
    size = width[0] * n_across + width[1], height[0] * n_down + height[1]
    figure = new_figure(data, f"{title}{limit_note(data)}{note}", *size)
    return figure, rows, grid_of_panels(figure, n_targets, TARGETS_ACROSS)


def draw_importance(data: FigureData) -> "Figure":
    """Draw what shuffling each column of the test part costs, with 95 % intervals, the most important first."""
    importance = data.importance
    if importance is None:
        message = "no importance was measured"
        raise ValueError(message)
    order = importance.order()[:MAX_COLUMNS]
    n_columns = len(importance.names)
    note = f", the first {MAX_COLUMNS} of {n_columns}" if n_columns > MAX_COLUMNS else ""
    figure = new_figure(data, f"importance of each column{note}", 6.4, max(2.6, 1.5 + 0.28 * len(order)))
    axes = figure.subplots()
    places, means = np.arange(len(order)), importance.means[order]
    ends = np.stack([means - importance.low[order], importance.high[order] - means])
    axes.barh(places, means, color=COLOURS[0], height=0.65, xerr=ends, ecolor=NEUTRAL, capsize=3)
    axes.axvline(0, color=NEUTRAL, linewidth=1)
    axes.set_yticks(places, [caption(importance.names[place], 30) for place in order])
    axes.invert_yaxis()
    axes.set(xlabel=f"loss of {importance.score} when the column is shuffled\n(mean and 95 % interval)")
    axes.grid(visible=True, axis="x")
    return figure
