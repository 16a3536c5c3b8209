"""The heatmap of a sweep: its ranking metric over two of the swept keys."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.sweeps.figures.sheet import (
    colour_scores,
    draw_colour_bar,
    metric_words,
    new_sheet,
    swept_values,
    value_words,
)
from plainmlp.sweeps.ranking.leaderboard import Leaderboard, Row
from plainmlp.sweeps.ranking.swept import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

PREFERRED = ("model.hidden_sizes", "model.activation")
MOST_WRITTEN = 20  # rows or columns
MOST_NAMED = 40
LONG_NAME = 8
BRIGHT = 0.55  # the value of the colour map from which black is the easier to read
Cells = dict[tuple[str, str], Row]


def draw_heatmap(board: Leaderboard) -> "Figure":
    """Draw the mean score of each pair of values, with the best values of all other keys.

    Parameters
    ----------
    board : Leaderboard
        With two swept keys or more.

    Notes
    -----
    The keys are the sizes and the activation of the hidden layers, where both are swept, else the two with the most
    pairs. The frame marks the best pair.
    """
    rows_key, columns_key = choose_keys(board)
    rows, columns = swept_values(board, rows_key), swept_values(board, columns_key)
    others = [short_names(board.keys)[key] for key in board.keys if key not in (rows_key, columns_key)]
    title = f"{metric_words(board)}: mean over the seeds{', best over ' + ', '.join(others) if others else ''}"
    figure = new_sheet(title, min(16, 3.6 + 0.85 * len(columns)), min(16, 1.9 + 0.5 * len(rows)))
    axes = figure.subplots()
    cells = best_of_pairs(board, rows_key, columns_key)
    colours = colour_scores(board, np.array([row.score.mean for row in cells.values()]))
    _draw_cells(axes, colours, cells, rows, columns)
    _name_axes(axes, rows, columns)
    axes.set(ylabel=short_names(board.keys)[rows_key], xlabel=short_names(board.keys)[columns_key])
    draw_colour_bar(figure, board, colours)
    return figure


def choose_keys(board: Leaderboard) -> tuple[str, str]:
    """Return the two keys of the heatmap, rows first."""
    if set(PREFERRED) <= set(board.keys):
        return PREFERRED
    return max(combinations(board.keys, 2), key=lambda pair: len(best_of_pairs(board, *pair)))


def best_of_pairs(board: Leaderboard, rows_key: str, columns_key: str) -> Cells:
    """Return for each pair of values of two keys the best row that has it."""
    cells: Cells = {}
    for row in board.rows:
        cells.setdefault((row.settings[rows_key], row.settings[columns_key]), row)
    return cells


def _draw_cells(
    axes: "Axes", colours: "ScalarMappable", cells: Cells, rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw the colours, the numbers, and the frame of the best."""
    from matplotlib.patches import Rectangle

    scores = np.full((len(rows), len(columns)), np.nan)
    for (row, column), best in cells.items():
        scores[rows.index(row), columns.index(column)] = best.score.mean
    axes.set_facecolor("#e3e3e3")
    image = axes.imshow(scores, aspect="auto")
    image.set(cmap=colours.cmap, norm=colours.norm)
    if max(scores.shape) <= MOST_WRITTEN:
        _write_scores(axes, colours, scores)
    first = next(iter(cells))
    corner = (columns.index(first[1]) - 0.5, rows.index(first[0]) - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2.5, clip_on=False))


def _write_scores(axes: "Axes", colours: "ScalarMappable", scores: Array) -> None:
    """Write each score into its cell, light on dark and dark on light; a dash where no point has one."""
    brightness = colours.to_rgba(scores)[..., :3].mean(axis=2)
    for (row, column), score in np.ndenumerate(scores):
        text = "-" if np.isnan(score) else f"{score:.3g}"
        colour = "white" if brightness[row, column] < BRIGHT and not np.isnan(score) else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)


def _name_axes(axes: "Axes", rows: list[str], columns: list[str]) -> None:
    """Label both axes with the values, every second, third ... of them where there is no room for all."""
    names = value_words(columns)
    slanted: Any = (
        {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > LONG_NAME else {}
    )
    step = -(-len(columns) // MOST_NAMED)
    axes.set_xticks(range(0, len(columns), step), names[::step], **slanted)
    step = -(-len(rows) // MOST_NAMED)
    axes.set_yticks(range(0, len(rows), step), value_words(rows)[::step])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)
