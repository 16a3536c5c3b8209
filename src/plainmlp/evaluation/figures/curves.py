"""Figures of numbers: learning curves, what a regression fitted and missed, and what each column is worth."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 400
MAX_TARGETS = 6
TARGETS_ACROSS = 3
MAX_POINTS = 9_000
MAX_COLUMNS = 25
FEW_EPOCHS = 25
WIDE_SPAN = 30


def draw_learning_curves(data: FigureData) -> "Figure":
    """Draw loss, and accuracy or error, of the train and the validation part over the epochs.

    Notes
    -----
    Epochs count from 0. The dotted line marks the epoch of the lowest validation loss.
    """
    names = [name for name in ("loss", "accuracy", "mean_squared_error") if f"train_{name}" in data.history]
    figure = new_figure(data, "learning curves", 5.2 * len(names), 3.9)
    panels = grid_of_panels(figure, len(names), len(names))
    for axes, name in zip(panels, names, strict=True):
        _draw_history(axes, data, name)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_steps(data: FigureData) -> "Figure":
    """Draw what the updates began from: the loss of each batch, and its accuracy or sum of squares."""
    names = [name for name in data.steps if name != "step"]
    figure = new_figure(data, "each batch before its update", 5.2 * len(names), 3.9)
    for axes, name, colour in zip(grid_of_panels(figure, len(names), len(names)), names, COLOURS, strict=False):
        axes.plot(data.steps["step"], data.steps[name], color=colour, linewidth=1)
        _finish(axes, "step", name, [data.steps[name]])
    return figure


def draw_fitted_curves(data: FigureData) -> "Figure":
    """Draw test targets as points and the network's function as lines, over the one input column."""
    figure = new_figure(data, f"fitted curves{_limit_note(data)}", 7.2, 4.6)
    draw_curves(figure.subplots(), data)
    figure.legend(loc="outside lower center", ncols=min(TARGETS_ACROSS, len(data.target_names)))
    return figure


def draw_curves(axes: "Axes", data: FigureData) -> None:
    """Draw test targets as points and the network's function as lines."""
    inputs = np.concatenate([data.train.features[:, 0], data.test.features[:, 0]])
    grid = np.linspace(np.nanmin(inputs), np.nanmax(inputs), CURVE_POINTS)
    curves = data.predict(grid[:, np.newaxis])
    rows, _ = thinned(len(data.test), MAX_POINTS // len(data.target_names))
    for target, name in enumerate(data.target_names[:MAX_TARGETS]):
        colour = COLOURS[target]
        axes.plot(grid, curves[:, target], color=colour, linewidth=2, label=f"{name}, network")
        points = (data.test.features[rows, 0], data.test.targets[rows, target])
        axes.scatter(*points, color=colour, label=f"{name}, test data", **point_style(len(rows)))
    axes.set(xlabel=data.column_names[0], ylabel="target")
    axes.grid(visible=True)


def _draw_history(axes: "Axes", data: FigureData, name: str) -> None:
    """Draw one metric of both parts."""
    from matplotlib.ticker import MaxNLocator

    series = {part: data.history[key] for part in ("train", "validation") if (key := f"{part}_{name}") in data.history}
    marker = "o" if max(map(len, series.values())) <= FEW_EPOCHS else None
    for (part, values), colour in zip(series.items(), COLOURS, strict=False):
        axes.plot(range(len(values)), values, color=colour, linewidth=1.6, marker=marker, markersize=4, label=part)
    if "validation_loss" in data.history:
        best = int(np.argmin(data.history["validation_loss"]))
        label = f"lowest validation loss: epoch {best}"
        axes.axvline(best, color=NEUTRAL, linestyle=":", linewidth=1.4, label=label)
    if len(data.history["train_loss"]) == 1:
        axes.set_xlim(-0.5, 0.5)
    _finish(axes, "epoch", name, series.values())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _finish(axes: "Axes", along: str, name: str, curves: Iterable[Sequence[float]]) -> None:
    """Label the axes of curves, on a logarithmic scale if no other can be read."""
    values = np.concatenate(list(curves))
    if values.min() > 0 and values.max() / values.min() > WIDE_SPAN:
        axes.set_yscale("log")
    axes.set(xlabel=along, ylabel=name.replace("_", " "))
    axes.grid(visible=True)


def _limit_note(data: FigureData) -> str:
    """Say so if not all targets are drawn."""
    n_targets = len(data.target_names)
    return f", the first {MAX_TARGETS} of {n_targets} targets" if n_targets > MAX_TARGETS else ""


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
    figure = new_figure(data, f"{title}{_limit_note(data)}{note}", *size)
    return figure, rows, grid_of_panels(figure, n_targets, TARGETS_ACROSS)


def draw_importance(data: FigureData) -> "Figure":
    """Draw what shuffling each column of the test part costs, with 95 % intervals, the most important first."""
    importance: Any = data.importance
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
