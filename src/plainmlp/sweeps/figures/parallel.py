"""Parallel coordinates: every row of a sweep as a line through its values of all swept keys to its score."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.evaluation.figures.canvas import NEUTRAL
from plainmlp.sweeps.figures.sheet import (
    colour_scores,
    draw_colour_bar,
    metric_words,
    new_sheet,
    settings_words,
    swept_values,
    value_words,
)
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.sweeps.ranking.results import is_higher_better
from plainmlp.sweeps.ranking.swept import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_KEYS = 8
MOST_NAMED = 24
SPREAD = 0.7  # the share of a value's room over which its lines are spread, the best above
POINTS = 40  # of a line, from one axis to the next


def draw_parallel_coordinates(board: Leaderboard) -> "Figure":
    """Draw each row as a line through its values, the brighter the better, the best on top.

    Parameters
    ----------
    board : Leaderboard
        With three swept keys or more.
    """
    keys = sorted(board.keys, key=lambda key: (-len(swept_values(board, key)), key))[:MOST_KEYS]
    left_out = f", the {MOST_KEYS} of {len(board.keys)} keys with most values" if len(board.keys) > MOST_KEYS else ""
    figure = new_sheet(f"{metric_words(board)} over all swept keys{left_out}", 2.6 + 1.9 * len(keys), 5.4)
    axes = figure.subplots()
    scores = np.array([row.score.mean for row in board.rows])
    colours = colour_scores(board, scores)
    share = np.asarray(colours.norm(scores))
    last = share if is_higher_better(board.metric) else 1 - share
    heights = np.column_stack([*(_places(board, key) for key in keys), last])
    _draw_lines(axes, heights, colours.to_rgba(scores), f"best: {settings_words(board, board.rows[0])}")
    for position, key in enumerate(keys):
        _draw_axis(axes, position, value_words(swept_values(board, key)))
    axes.vlines(len(keys), 0, 1, color=NEUTRAL, linewidth=1)
    axes.set_xticks(range(len(keys) + 1), [*(short_names(board.keys)[key] for key in keys), metric_words(board)])
    axes.set(xlim=(-0.45, len(keys) + 0.05), ylim=(-0.03, 1.03), yticks=[])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    draw_colour_bar(figure, board, colours)
    figure.legend(loc="outside lower center")
    return figure


def _places(board: Leaderboard, key: str) -> Any:
    """Return the height of each row on the axis of a key: within the room of its value, the better the higher."""
    values = swept_values(board, key)
    chosen = [row.settings[key] for row in board.rows]
    heights = np.empty(len(chosen))
    for slot, value in enumerate(values):
        indices = np.flatnonzero([setting == value for setting in chosen])
        spread = np.linspace(0.5, -0.5, len(indices)) if len(indices) > 1 else np.zeros(len(indices))
        heights[indices] = (slot + 0.5 + SPREAD * spread) / len(values)
    return heights


def _draw_lines(axes: "Axes", heights: Any, colours: Any, label: str) -> None:
    """Draw the lines, the worst first, and the best once more in black below its own colour."""
    from matplotlib.collections import LineCollection

    lines = [_smooth(row) for row in heights]
    opacity = max(0.35, min(0.9, 40 / len(lines)))
    axes.add_collection(LineCollection(lines[::-1], colors=colours[::-1], alpha=opacity, linewidths=1.1))
    axes.plot(*lines[0].T, color="black", linewidth=3.2, label=label)
    axes.plot(*lines[0].T, color=colours[0], linewidth=1.4)


def _smooth(heights: Sequence[float]) -> Any:
    """Return a line that leaves and meets each axis at a right angle, so that the eye can follow it across."""
    share = np.linspace(0, 1, POINTS)
    ease = share**2 * (3 - 2 * share)
    steps = [
        np.column_stack([position + share, low + (high - low) * ease])
        for position, (low, high) in enumerate(pairwise(heights))
    ]
    return np.concatenate(steps)


def _draw_axis(axes: "Axes", position: int, names: Sequence[str]) -> None:
    """Draw the axis of a key with its values, every second, third ... of them where there is no room for all."""
    axes.vlines(position, 0, 1, color=NEUTRAL, linewidth=1)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    for slot in range(0, len(names), -(-len(names) // MOST_NAMED)):
        axes.text(position - 0.04, (slot + 0.5) / len(names), names[slot], ha="right", va="center", size=9, bbox=box)
