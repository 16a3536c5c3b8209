"""The table of all figures of a trained network; those that suit the data are drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plainmlp.evaluation.figures.canvas import FigureData, save_figure
from plainmlp.evaluation.figures.classes import draw_calibration, draw_confusion_matrix, draw_worst_mistakes
from plainmlp.evaluation.figures.curves import draw_fitted_curves, draw_learning_curves, draw_steps
from plainmlp.evaluation.figures.planes import draw_data, draw_decision_regions, draw_right_and_wrong
from plainmlp.evaluation.figures.regression import draw_importance, draw_predicted_against_actual, draw_residuals
from plainmlp.evaluation.figures.thresholds import draw_class_scores, draw_threshold_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureEntry(NamedTuple):
    """How a figure is drawn, and for which data."""

    draw: Callable[[FigureData], "Figure"]
    applies: Callable[[FigureData], bool]


def draw_figures(data: FigureData, folder: Path) -> list[Path]:
    """Write each figure that applies to `<folder>/<name>.png`; the same data gives the same bytes.

    Returns
    -------
    list of Path
        In the order of `FIGURES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, entry in FIGURES.items() if entry.applies(data)]
    return [save_figure(FIGURES[name].draw, data, folder / f"{name}.png") for name in names]


def _is_classification(data: FigureData) -> bool:
    return data.description.task == "classification"


def _is_regression(data: FigureData) -> bool:
    return data.description.task == "regression"


def _tells_classes(data: FigureData) -> bool:
    return not _is_regression(data)


def _has_numbers(data: FigureData, n_columns: int) -> bool:
    """Say whether there are exactly that many raw features, and no category."""
    return [column.categories for column in data.description.columns] == [None] * n_columns


def is_line(data: FigureData) -> bool:
    """Say whether numbers are predicted from one number."""
    return _is_regression(data) and _has_numbers(data, 1)


def is_plane(data: FigureData) -> bool:
    """Say whether classes are predicted from two numbers."""
    return _is_classification(data) and _has_numbers(data, 2)


FIGURES: dict[str, FigureEntry] = {
    "learning_curves": FigureEntry(draw_learning_curves, lambda data: bool(data.history.get("train_loss"))),
    "steps": FigureEntry(draw_steps, lambda data: bool(data.steps)),
    "confusion_matrix": FigureEntry(draw_confusion_matrix, _is_classification),
    "calibration": FigureEntry(draw_calibration, _is_classification),
    "class_scores": FigureEntry(draw_class_scores, _tells_classes),
    "threshold_curves": FigureEntry(draw_threshold_curves, _tells_classes),
    "data": FigureEntry(draw_data, is_plane),
    "right_and_wrong": FigureEntry(draw_right_and_wrong, is_plane),
    "decision_regions": FigureEntry(draw_decision_regions, is_plane),
    "worst_mistakes": FigureEntry(
        draw_worst_mistakes, lambda data: _is_classification(data) and data.description.image_shape is not None
    ),
    "fitted_curves": FigureEntry(draw_fitted_curves, is_line),
    "predicted_against_actual": FigureEntry(draw_predicted_against_actual, _is_regression),
    "residuals": FigureEntry(draw_residuals, _is_regression),
    "importance": FigureEntry(draw_importance, lambda data: data.importance is not None),
}
