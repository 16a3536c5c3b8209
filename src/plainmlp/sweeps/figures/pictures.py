"""The pictures of a sweep, and which of them suit a leaderboard: heatmap, learning curves, scores over their costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL, caption, new_sheet, save_figure
from plainmlp.evaluation.figures.scores import LANDMARKS, WIDE_SPAN, is_wide, limits, scale_scores, shrink, stretch
from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.leaderboard import Leaderboard, Row
from plainmlp.sweeps.ranking.results import is_measured
from plainmlp.sweeps.ranking.swept import STOP_AFTER, short_names, value_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

TRAIN_ROWS = "split.train"
PREFERRED_KEYS = ("model.hidden_sizes", "model.activation")
MAX_WRITTEN = 20  # rows or columns of a heatmap with numbers
MAX_NAMED = 40  # names along an axis
LONG_NAME = 8
LONGEST_NUMBER = 9
BRIGHT = 0.55  # the value of the colour map from which black is the easier to read
FEW_EPOCHS = 25
FAINT = "#9a9a9a"
MARKERS = ("o", "s", "^", "D", "v", "P")
FEW_ROWS = 80
COLOURED_KEY = "model.activation"
Cells = dict[tuple[str, str], Row]
Curves = list[tuple[float, ...]]


def metric_words(board: Leaderboard) -> str:
    """Return the ranking metric in words."""
    return board.metric.replace("_", " ")


def settings_words(board: Leaderboard, row: Row, most: int = 70) -> str:
    """Return the settings of a row in one line, fit to be written on a figure."""
    names = short_names(board.keys)
    return caption(", ".join(f"{names[key]} {value}" for key, value in row.settings.items()) or "the only one", most)


def swept_values(board: Leaderboard, key: str) -> list[str]:
    """Return the values of a swept key, of failed points too, in their order."""
    failed = {failure.child.parameters.get(key, "") for failure in board.failures}
    return sorted({row.settings[key] for row in board.rows} | failed, key=value_order)


def value_words(values: Sequence[str]) -> list[str]:
    """Return values fit to be written beside an axis: none for nothing, long fractions rounded."""
    return [caption(_short(value), 22) for value in values]


def _short(value: str) -> str:
    kind, number, _ = value_order(value)
    is_long = kind == 0 and len(value) > LONGEST_NUMBER
    return f"{number:.4g}" if is_long else {"": "none", "[]": "none"}.get(value, value)


def draw_heatmap(board: Leaderboard) -> "Figure":
    """Draw the mean score of each pair of values of two swept keys, with the best values of all other keys.

    These are sizes and activation of the hidden layers if both are swept, else the keys with most pairs; a frame marks the best.
    """
    from matplotlib.colors import FuncNorm

    rows_key, columns_key = choose_keys(board)
    rows, columns = swept_values(board, rows_key), swept_values(board, columns_key)
    others = [short_names(board.keys)[key] for key in board.keys if key not in (rows_key, columns_key)]
    title = f"{metric_words(board)}: mean over the seeds{', best over ' + ', '.join(others) if others else ''}"
    figure = new_sheet(title, min(16, 3.6 + 0.85 * len(columns)), min(16, 1.9 + 0.5 * len(rows)))
    axes = figure.subplots()
    cells = best_of_pairs(board, rows_key, columns_key)
    image = _draw_cells(axes, board.metric, cells, rows, columns)
    _name_axes(axes, rows, columns)
    axes.set(ylabel=short_names(board.keys)[rows_key], xlabel=short_names(board.keys)[columns_key])
    ticks = LANDMARKS if isinstance(image.norm, FuncNorm) else None
    label = f"{metric_words(board)} ({board.direction})"
    figure.colorbar(image, ax=figure.axes, label=label, ticks=ticks, format="{x:g}" if ticks else None)
    return figure


def choose_keys(board: Leaderboard) -> tuple[str, str]:
    """Return the two keys of the heatmap, rows first."""
    if set(PREFERRED_KEYS) <= set(board.keys):
        return PREFERRED_KEYS
    keys = [key for key in board.keys if key != STOP_AFTER]
    return max(combinations(keys, 2), key=lambda pair: len(best_of_pairs(board, *pair)))


def best_of_pairs(board: Leaderboard, rows_key: str, columns_key: str) -> Cells:
    """Return for each pair of values of two keys the best row that has it."""
    cells: Cells = {}
    for row in board.rows:
        cells.setdefault((row.settings[rows_key], row.settings[columns_key]), row)
    return cells


def _draw_cells(
    axes: "Axes", metric: str, cells: Cells, rows: Sequence[str], columns: Sequence[str]
) -> "ScalarMappable":
    """Draw the colours, the numbers, and the frame of the best; return the image."""
    from matplotlib.patches import Rectangle

    scores = np.full((len(rows), len(columns)), np.nan)
    for (row, column), best in cells.items():
        scores[rows.index(row), columns.index(column)] = best.score.mean
    axes.set_facecolor("#e3e3e3")
    cmap, norm = _colours(metric, scores[~np.isnan(scores)])
    image = axes.imshow(scores, aspect="auto", cmap=cmap, norm=norm)
    if max(scores.shape) <= MAX_WRITTEN:
        _write_scores(axes, image, scores)
    first = next(iter(cells))
    corner = (columns.index(first[1]) - 0.5, rows.index(first[0]) - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2.5, clip_on=False))
    return image


def _write_scores(axes: "Axes", image: "ScalarMappable", scores: Array) -> None:
    """Write each score into its cell, light on dark and dark on light; a dash where no point has one."""
    brightness = image.to_rgba(scores)[..., :3].mean(axis=2)
    for (row, column), score in np.ndenumerate(scores):
        text = "-" if np.isnan(score) else f"{score:.3g}"
        colour = "white" if brightness[row, column] < BRIGHT and not np.isnan(score) else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)


def _name_axes(axes: "Axes", rows: list[str], columns: list[str]) -> None:
    """Label both axes with the values, every second, third ... of them if there is no room for all."""
    names = value_words(columns)
    slanted: Any = (
        {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > LONG_NAME else {}
    )
    step = -(-len(columns) // MAX_NAMED)
    axes.set_xticks(range(0, len(columns), step), names[::step], **slanted)
    step = -(-len(rows) // MAX_NAMED)
    axes.set_yticks(range(0, len(rows), step), value_words(rows)[::step])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0)


def _colours(metric: str, scores: Array) -> tuple[str, "Normalize"]:
    """Return the colour map for scores, the brighter, the better, and their place in it, on the scale of their axis."""
    from matplotlib.colors import FuncNorm, LogNorm, Normalize

    ends, higher = {"vmin": scores.min(), "vmax": scores.max()}, is_higher_better(metric)
    colour_map = "cividis" if higher else "cividis_r"
    if not is_wide(metric, scores):
        return colour_map, Normalize(**ends)
    return colour_map, FuncNorm((stretch, shrink), **ends) if higher else LogNorm(**ends)


def draw_learning_curves(board: Leaderboard) -> "Figure":
    """Draw the ranking metric of every point over the epochs, those of the best settings on top."""
    best = [result.curve for result in board.rows[0].results if result.curve]
    others = [result.curve for row in board.rows[1:] for result in row.results if result.curve]
    title = f"{metric_words(board)}: learning curves of {len(best) + len(others)} points"
    figure = new_sheet(title, 8.0, 4.8)
    axes = figure.subplots()
    _draw_others(axes, others)
    _draw_best(axes, best, f"best: {settings_words(board, board.rows[0])}")
    _limit(axes, board, [*best, *others])
    axes.set(xlabel="epoch", ylabel=f"{metric_words(board)} ({board.direction})")
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
    scale_scores(axes.yaxis, board.metric, values)
    axes.set_ylim(*limits(board.metric, values))
    last = max(map(len, curves)) - 1
    margin = 0.02 * last or 0.5
    axes.set_xlim(-margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def draw_against_parameters(board: Leaderboard) -> "Figure":
    """Draw the score of each row over the number of parameters, which all rows have."""
    return _draw_costs(board, [row.n_parameters for row in board.rows], "parameters")


def draw_against_time(board: Leaderboard) -> "Figure":
    """Draw the score of each row over the mean time of its trainings, which all rows have."""
    return _draw_costs(board, [row.training_seconds for row in board.rows], "training time in seconds")


def draw_against_rows(board: Leaderboard) -> "Figure":
    """Draw the score of each row over the size of the train part, a number in all rows."""
    sizes = [float(row.settings[TRAIN_ROWS]) for row in board.rows]
    return _draw_costs(board, sizes, f"rows of the train part{' as a share of all' if max(sizes) < 1 else ''}")


def _draw_costs(board: Leaderboard, given: Sequence[float | None], label: str) -> "Figure":
    best = f"best: {settings_words(board, board.rows[0])}"
    figure = new_sheet(f"{metric_words(board)} against {label}: mean over the seeds, 95 % interval\n{best}", 8.0, 5.4)
    axes = figure.subplots()
    costs, means = np.array(given, dtype=np.float64), np.array([row.score.mean for row in board.rows])
    _draw_groups(axes, board, costs, means)
    _draw_front(axes, board.metric, costs, means)
    axes.plot(costs[0], means[0], "o", markersize=15, fillstyle="none", color="black", linestyle="", label="best")
    if costs.min() > 0 and costs.max() / costs.min() > WIDE_SPAN:
        axes.set_xscale("log")
    axes.set(xlabel=label, ylabel=f"{metric_words(board)} ({board.direction})")
    axes.grid(visible=True)
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def _groups(board: Leaderboard) -> dict[str, list[int]]:
    """Group the rows by the key that gets colours: the activation, or the first key with few enough values."""
    few = [key for key in board.keys if key != TRAIN_ROWS and len(swept_values(board, key)) <= len(MARKERS)]
    key = COLOURED_KEY if COLOURED_KEY in few else next(iter(few), None)
    if key is None:
        return {"settings": list(range(len(board.rows)))}
    values = swept_values(board, key)
    names = (f"{short_names(board.keys)[key]} {name}" for name in value_words(values))
    return {
        name: [index for index, row in enumerate(board.rows) if row.settings[key] == value]
        for name, value in zip(names, values, strict=True)
    }


def _draw_groups(axes: "Axes", board: Leaderboard, costs: Array, means: Array) -> None:
    """Draw the rows with their intervals, each group in a colour of its own."""
    ends = np.array([row.score.interval or (row.score.mean, row.score.mean) for row in board.rows])
    reach = np.abs(ends - means[:, np.newaxis])
    for style, (name, group) in enumerate(_groups(board).items()):
        x, y, colour = costs[group], means[group], COLOURS[style]
        axes.errorbar(x, y, yerr=reach[group].T, fmt="none", elinewidth=0.8, color=colour, alpha=0.3)
        size = 6 if len(group) <= FEW_ROWS else 3.5
        axes.plot(x, y, MARKERS[style], markersize=size, linestyle="", label=name, color=colour, alpha=0.75)


def _draw_front(axes: "Axes", metric: str, costs: Array, means: Array) -> None:
    """Draw the best score that each cost can buy."""
    sign = 1.0 if is_higher_better(metric) else -1.0
    order = np.lexsort((-sign * means, costs))
    front = sign * np.maximum.accumulate(sign * means[order])
    label = "best up to here"
    axes.step(costs[order], front, where="post", color=NEUTRAL, linestyle="--", linewidth=1, label=label, zorder=1)
    scale_scores(axes.yaxis, metric, means)
    axes.set_ylim(*limits(metric, means))


@dataclass(frozen=True)
class SweepFigure:
    """How a picture is drawn, and whether it can be drawn of a leaderboard."""

    draw: Callable[[Leaderboard], "Figure"]
    applies: Callable[[Leaderboard], bool]


def draw_sweep_figures(figures: Mapping[str, SweepFigure], board: Leaderboard, folder: Path) -> list[Path]:
    """Write each figure that applies to `<folder>/<name>.png`; the same leaderboard gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, figure in figures.items() if board.rows and figure.applies(board)]
    return [save_figure(figures[name].draw, board, folder / f"{name}.png") for name in names]


SWEEP_FIGURES: dict[str, SweepFigure] = {
    "heatmap": SweepFigure(draw_heatmap, lambda board: len({*board.keys} - {STOP_AFTER}) >= 2),
    "learning_curves": SweepFigure(
        draw_learning_curves, lambda board: any(point.curve for row in board.rows for point in row.results)
    ),
    "parameters": SweepFigure(draw_against_parameters, lambda board: None not in {r.n_parameters for r in board.rows}),
    "train_rows": SweepFigure(
        draw_against_rows,
        lambda board: {row.settings.get(TRAIN_ROWS, "null") for row in board.rows}.isdisjoint({"null"}),
    ),
}
# in a table of their own, since times differ from run to run
TIMING_FIGURES: dict[str, SweepFigure] = {
    "training_time": SweepFigure(draw_against_time, lambda board: None not in {r.training_seconds for r in board.rows}),
}
