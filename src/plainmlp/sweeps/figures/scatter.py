"""What the scores of a sweep cost: the ranking metric against the size of the network and the time of its training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL
from plainmlp.sweeps.figures.sheet import (
    WIDE_SPAN,
    direction_words,
    limits,
    metric_words,
    new_sheet,
    scale_scores,
    settings_words,
    swept_values,
    value_words,
)
from plainmlp.sweeps.ranking.leaderboard import Leaderboard, Row
from plainmlp.sweeps.ranking.results import is_higher_better
from plainmlp.sweeps.ranking.swept import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P")
FEW_ROWS = 80
TOLD_APART = "model.activation"


def draw_against_parameters(board: Leaderboard) -> "Figure":
    """Draw the score of each row over the number of parameters.

    Parameters
    ----------
    board : Leaderboard
        Whose rows know their number of parameters.
    """
    return _draw_costs(board, [float(row.n_parameters or 0) for row in board.rows], "parameters")


def draw_against_time(board: Leaderboard) -> "Figure":
    """Draw the score of each row over the mean time of its trainings.

    Parameters
    ----------
    board : Leaderboard
        Whose rows know their time.
    """
    return _draw_costs(board, [row.training_seconds or 0.0 for row in board.rows], "training time in seconds")


def _draw_costs(board: Leaderboard, costs: Sequence[float], label: str) -> "Figure":
    best = f"best: {settings_words(board, board.rows[0])}"
    figure = new_sheet(f"{metric_words(board)} against {label}: mean over the seeds, 95 % interval\n{best}", 8.0, 5.4)
    axes = figure.subplots()
    for style, (name, indices) in enumerate(_groups(board).items()):
        rows, x = [board.rows[index] for index in indices], [costs[index] for index in indices]
        _draw_rows(axes, rows, x, style, name)
    _draw_front(axes, board, costs)
    top = (costs[0], board.rows[0].score.mean)
    axes.plot(*top, "o", markersize=15, fillstyle="none", color="black", linestyle="", label="best")
    if min(costs) > 0 and max(costs) / min(costs) > WIDE_SPAN:
        axes.set_xscale("log")
    axes.set(xlabel=label, ylabel=f"{metric_words(board)} ({direction_words(board)})")
    axes.grid(visible=True)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _groups(board: Leaderboard) -> dict[str, list[int]]:
    """Return the rows of each value of the key that is told apart by colour: the activation, or the first that can be."""
    few = [key for key in board.keys if len(swept_values(board, key)) <= len(MARKERS)]
    key = TOLD_APART if TOLD_APART in few else next(iter(few), None)
    if key is None:
        return {"settings": list(range(len(board.rows)))}
    values = swept_values(board, key)
    names = (f"{short_names(board.keys)[key]} {name}" for name in value_words(values))
    return {
        name: [index for index, row in enumerate(board.rows) if row.settings[key] == value]
        for name, value in zip(names, values, strict=True)
    }


def _draw_rows(axes: "Axes", rows: Sequence[Row], costs: Sequence[float], style: int, name: str) -> None:
    """Draw the rows of one group with their intervals."""
    means = np.array([row.score.mean for row in rows])
    ends = np.array([row.score.interval or (row.score.mean, row.score.mean) for row in rows]).reshape(-1, 2)
    reach, colour = np.abs(ends - means[:, np.newaxis]).T, COLOURS[style]
    axes.errorbar(costs, means, yerr=reach, fmt="none", elinewidth=0.8, color=colour, alpha=0.3)
    size = 6 if len(rows) <= FEW_ROWS else 3.5
    axes.plot(costs, means, MARKERS[style], markersize=size, linestyle="", label=name, color=colour, alpha=0.75)


def _draw_front(axes: "Axes", board: Leaderboard, costs: Sequence[float]) -> None:
    """Draw the best score that each cost can buy."""
    sign = 1.0 if is_higher_better(board.metric) else -1.0
    order = sorted(range(len(costs)), key=lambda index: (costs[index], -sign * board.rows[index].score.mean))
    means = np.array([board.rows[index].score.mean for index in order])
    front = sign * np.maximum.accumulate(sign * means)
    x = [costs[index] for index in order]
    axes.step(x, front, where="post", color=NEUTRAL, linestyle="--", linewidth=1, label="best up to here", zorder=1)
    scale_scores(axes.yaxis, board, means)
    axes.set_ylim(*limits(board, means))
