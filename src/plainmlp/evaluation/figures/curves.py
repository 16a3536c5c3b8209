"""Figures of lines: learning curves, and what a regression fitted."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.evaluation.figures.canvas import (
    COLOURS,
    NEUTRAL,
    FigureData,
    grid_of_panels,
    new_figure,
    point_style,
    thinned,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVE_POINTS = 400
MAX_TARGETS = 6
TARGETS_ACROSS = 3
MAX_POINTS = 9_000
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
    figure = new_figure(data, f"fitted curves{limit_note(data)}", 7.2, 4.6)
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


def limit_note(data: FigureData) -> str:
    """Say so if not all targets are drawn."""
    n_targets = len(data.target_names)
    return f", the first {MAX_TARGETS} of {n_targets} targets" if n_targets > MAX_TARGETS else ""
