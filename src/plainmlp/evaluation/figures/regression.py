"""Figures of what is left over: the residuals of a regression, and what each column is worth to any network."""

from typing import TYPE_CHECKING

import numpy as np

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
    from matplotlib.figure import Figure

MAX_COLUMNS = 25


def draw_residuals(data: FigureData) -> "Figure":
    """Draw what each test prediction is too high by over the prediction, a panel a target."""
    names = data.target_names[:MAX_TARGETS]
    n_across, n_down = min(TARGETS_ACROSS, len(names)), -(-len(names) // TARGETS_ACROSS)
    rows, note = thinned(len(data.test), MAX_POINTS // len(names))
    figure = new_figure(data, f"residuals{limit_note(data)}{note}", 3.6 * n_across + 1.0, 3.0 * n_down + 0.6)
    for target, axes in enumerate(grid_of_panels(figure, len(names), TARGETS_ACROSS)):
        predicted = data.outputs[rows, target]
        axes.axhline(0, color=NEUTRAL, linestyle="--", linewidth=1, zorder=1)
        residuals = predicted - data.test.targets[rows, target]
        axes.scatter(predicted, residuals, color=COLOURS[0], zorder=2, **point_style(len(rows)))
        axes.set(xlabel="predicted", ylabel="predicted - actual", title=names[target], xlim=value_range(predicted))
        axes.grid(visible=True)
    return figure


def draw_importance(data: FigureData) -> "Figure":
    """Draw what shuffling each column of the test part costs, with 95 % intervals, the most important first."""
    importance = data.importance
    if importance is None:
        message = "nothing was shuffled"
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
