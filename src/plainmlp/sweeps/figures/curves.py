"""The learning curves of a sweep: all its points in one picture, with the best on top."""

from typing import TYPE_CHECKING

import numpy as np

from plainmlp.evaluation.figures.canvas import COLOURS
from plainmlp.sweeps.figures.sheet import (
    direction_words,
    limits,
    metric_words,
    new_sheet,
    scale_scores,
    settings_words,
)
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.sweeps.ranking.results import is_measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_EPOCHS = 25
FAINT = "#9a9a9a"
Curves = list[tuple[float, ...]]


def draw_learning_curves(board: Leaderboard) -> "Figure":
    """Draw the ranking metric of every point over the epochs, those of the best settings on top.

    Parameters
    ----------
    board : Leaderboard
        Whose ranking metric is measured in each epoch.
    """
    best = [result.curve for result in board.rows[0].results if result.curve]
    others = [result.curve for row in board.rows[1:] for result in row.results if result.curve]
    title = f"{metric_words(board)}: learning curves of {len(best) + len(others)} points"
    figure = new_sheet(title, 8.0, 4.8)
    axes = figure.subplots()
    _draw_others(axes, others)
    _draw_best(axes, best, f"best: {settings_words(board, board.rows[0])}")
    _limit(axes, board, [*best, *others])
    axes.set(xlabel="epoch", ylabel=f"{metric_words(board)} ({direction_words(board)})")
    axes.grid(visible=True)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _draw_others(axes: "Axes", curves: Curves) -> None:
    """Draw many curves at once, the fainter the more there are."""
    from matplotlib.collections import LineCollection

    if not curves:
        return
    lines = [np.column_stack([np.arange(len(curve)), curve]) for curve in curves]
    opacity = max(0.12, min(0.7, 12 / len(curves)))
    axes.add_collection(LineCollection(lines, colors=FAINT, alpha=opacity, linewidths=0.9))
    axes.plot([], [], color=FAINT, label=f"{len(curves):,} other points")


def _draw_best(axes: "Axes", curves: Curves, label: str) -> None:
    for number, curve in enumerate(curves):
        marker = "o" if len(curve) <= FEW_EPOCHS else None
        name = label if number == 0 else "_nolegend_"
        axes.plot(curve, color=COLOURS[0], linewidth=1.8, marker=marker, markersize=3.5, zorder=3, label=name)


def _limit(axes: "Axes", board: Leaderboard, curves: Curves) -> None:
    """Set the scale and the limits of both axes."""
    from matplotlib.ticker import MaxNLocator

    values = np.array([value for curve in curves for value in curve if is_measured(value)])
    scale_scores(axes.yaxis, board, values)
    axes.set_ylim(*limits(board, values))
    last = max(map(len, curves)) - 1
    margin = 0.02 * last or 0.5
    axes.set_xlim(-margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
