"""The pictures of a search: its history, the values along each key, and how much each key matters."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL, caption, grid_of_panels, new_sheet, save_figure
from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.swept import short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]  # see `Search.record`
MAX_ACROSS = 3


def draw_search_figures(record: Record, importances: Mapping[str, float], folder: Path) -> None:
    """Write `history.png`, `slices.png` and, if there are importances, `importance.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(trial["value"] is not None for trial in record["trials"]):
        return
    save_figure(draw_history, record, folder / "history.png")
    save_figure(draw_slices, record, folder / "slices.png")
    if importances:
        save_figure(partial(draw_importances, importances=importances), record, folder / "importance.png")


def draw_history(record: Record) -> "Figure":
    """Draw what each trial was worth, in the order of asking, and the best up to there."""
    figure = new_sheet(f"{_words(record)}: trials in the order of asking", 8.0, 4.4)
    axes = figure.subplots()
    trials = record["trials"]
    _scatter(axes, list(range(len(trials))), trials)
    best = np.maximum.accumulate if is_higher_better(record["metric"]) else np.minimum.accumulate
    finished = [(number, trial) for number, trial in enumerate(trials) if trial["stop_after"] is None]
    whole = [(number, trial["value"]) for number, trial in finished if trial["value"] is not None]
    if whole:
        numbers, values = zip(*whole, strict=True)
        axes.step(numbers, best(values), where="post", color=NEUTRAL, linestyle="--", linewidth=1, label="best so far")
    axes.set(xlabel="trial", ylabel=_words(record))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def draw_slices(record: Record) -> "Figure":
    """Draw what the trials were worth over the values of each key."""
    dimensions, names = record["space"], short_names([each["key"] for each in record["space"]])
    across = min(MAX_ACROSS, len(dimensions))
    figure = new_sheet(f"{_words(record)} over each key", 3.6 * across, 0.8 + 3.0 * -(-len(dimensions) // across))
    for axes, dimension in zip(grid_of_panels(figure, len(dimensions), MAX_ACROSS), dimensions, strict=True):
        key, choices = dimension["key"], dimension.get("values")
        values = [trial["values"][key] for trial in record["trials"]]
        if choices is not None:
            axes.set_xticks(range(len(choices)), [caption(choice) for choice in choices], rotation=45, ha="right")
            values = [choices.index(value) for value in values]
        elif dimension["is_log"]:
            axes.set_xscale("log")
        _scatter(axes, values, record["trials"])
        axes.set(xlabel=names[key])
        axes.grid(visible=True)
    return figure


def draw_importances(record: Record, importances: Mapping[str, float]) -> "Figure":
    """Draw the share of each key in the variance of the values."""
    names = short_names(list(importances))
    figure = new_sheet(f"{_words(record)}: share of each key in its variance (fANOVA)", 7.0, 1.4 + 0.4 * len(names))
    axes = figure.subplots()
    axes.barh(list(names.values())[::-1], list(importances.values())[::-1], color=COLOURS[0])
    axes.set(xlabel="importance", xlim=(0, 1))
    return figure


def _words(record: Record) -> str:
    return str(record["metric"]).replace("_", " ")


def _scatter(axes: "Axes", places: Sequence[float], trials: Sequence[Mapping[str, Any]]) -> None:
    """Draw the trials that have a value; those that paused are faint."""
    for is_paused, colour, label in ((True, "#9a9a9a", "paused"), (False, COLOURS[0], "trained to the end")):
        chosen = [
            (place, trial["value"])
            for place, trial in zip(places, trials, strict=True)
            if trial["value"] is not None and is_paused == (trial["stop_after"] is not None)
        ]
        if chosen:
            x, y = zip(*chosen, strict=True)
            axes.scatter(x, y, s=18, color=colour, alpha=0.75, linewidths=0, label=label)
