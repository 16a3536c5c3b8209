"""Figures of single classes: their scores, and their curves over all thresholds."""

from typing import TYPE_CHECKING

import numpy as np

from plainmlp.evaluation.breakdown import class_scores
from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL, FigureData, caption, new_figure, thinned
from plainmlp.evaluation.ranking import Passed, average_precision, rank, roc_area
from plainmlp.evaluation.scores import MAX_RANKED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BARS = 30
SCORES = ("precision", "recall", "F1")
MARKERS = ("o", "s", "D")


def names_of(data: FigureData) -> list[str]:
    """Return the names of the classes, or of the labels."""
    return data.class_names or data.target_names


def draw_class_scores(data: FigureData) -> "Figure":
    """Draw precision, recall and F1 of each class or label; if there are very many, of those with the lowest F1."""
    scores, samples = class_scores(data.description, data.test.targets, data.outputs)
    names, order = names_of(data), np.arange(len(samples))
    note = ""
    if len(order) > MAX_BARS:
        order = np.sort(np.argsort(np.nan_to_num(scores[2], nan=2), kind="stable")[:MAX_BARS])
        note = f", the {MAX_BARS} lowest of {len(names)}"
    figure = new_figure(data, f"scores of each class{note}", 6.4, max(2.6, 1.6 + 0.3 * len(order)))
    axes = figure.subplots()
    places = np.arange(len(order))
    low, high = np.fmin.reduce(scores[:, order]), np.fmax.reduce(scores[:, order])
    axes.hlines(places, low, high, color="#cccccc", linewidth=2, zorder=1)
    for values, name, colour, marker in zip(scores[:, order], SCORES, COLOURS, MARKERS, strict=False):
        axes.scatter(values, places, color=colour, marker=marker, s=30, label=name, zorder=2, alpha=0.9)
    axes.set_yticks(places, [f"{names[place]} ({samples[place]})" for place in order])
    ends = max(-0.03, float(np.nan_to_num(np.fmin.reduce(low))) - 0.08), 1.03
    axes.set(xlabel="score", ylabel="class (samples)", xlim=ends, ylim=(len(order) - 0.5, -0.5))
    axes.grid(visible=True, axis="x")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def draw_threshold_curves(data: FigureData) -> "Figure":
    """Draw the ROC and the precision-recall curve of the classes, each against all others.

    Notes
    -----
    If there are more classes than colours, those with the smallest area under the ROC curve; of two, the second.
    """
    rows, left_out = thinned(len(data.test), MAX_RANKED)
    ranking = rank(data.description.task, data.test.targets[rows], data.outputs[rows])
    names = names_of(data)[-len(ranking.scores) :]
    once = np.ones((len(rows), 1), np.int64)
    areas = [float(roc_area(ranking.passed(place, once))[0]) for place in range(len(names))]
    drawn = sorted(np.flatnonzero(~np.isnan(areas)).tolist(), key=lambda place: areas[place])
    shown = sorted(drawn[: len(COLOURS)])
    note = f", the {len(shown)} of {len(names)} classes that are hardest to tell" if len(shown) < len(drawn) else ""
    figure = new_figure(data, f"every threshold{note}{left_out}", 9.6, 4.9)
    roc, precision = figure.subplots(1, 2)
    roc.plot([0, 1], [0, 1], color=NEUTRAL, linestyle="--", linewidth=1)
    for place, colour in zip(shown, COLOURS, strict=False):
        passed = ranking.passed(place, once)
        precise = float(average_precision(passed)[0])
        label = f"{caption(names[place])}: area {areas[place]:.3f}, average precision {precise:.3f}"
        _draw_curves(roc, precision, passed, colour, label)
    roc.set(xlabel="false positive rate", ylabel="true positive rate (recall)", title="ROC")
    precision.set(xlabel="recall", ylabel="precision", title="precision and recall")
    for axes in (roc, precision):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.grid(visible=True)
    figure.legend(*roc.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_curves(roc: "Axes", precision: "Axes", passed: Passed, colour: str, label: str) -> None:
    """Draw both curves of a class; both begin where nothing passes."""
    hits, samples = passed.hits[:, 0], passed.samples[:, 0]
    others = samples - hits
    recall = hits / hits[-1]
    roc.plot(np.append(0, others / others[-1]), np.append(0, recall), color=colour, linewidth=1.6, label=label)
    precision.step(np.append(0, recall), np.append(1, hits / samples), color=colour, linewidth=1.6, where="pre")
