"""The table of all figures of a trained network; those that suit the data are drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plainmlp.evaluation.figures import classes, curves, planes
from plainmlp.evaluation.figures.canvas import FigureData, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureEntry(NamedTuple):
    """How a figure is drawn, and for which data."""

    draw: Callable[[FigureData], "Figure"]
    applies: Callable[[FigureData], bool]


def draw_figures(data: FigureData, folder: Path) -> list[Path]:
    """Write each figure that applies to `<folder>/<name>.png`, in order; the same data gives the same bytes."""
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
    "learning_curves": FigureEntry(curves.draw_learning_curves, lambda data: bool(data.history.get("train_loss"))),
    "steps": FigureEntry(curves.draw_steps, lambda data: bool(data.steps)),
    "confusion_matrix": FigureEntry(classes.draw_confusion_matrix, _is_classification),
    "calibration": FigureEntry(classes.draw_calibration, _is_classification),
    "class_scores": FigureEntry(classes.draw_class_scores, _tells_classes),
    "threshold_curves": FigureEntry(classes.draw_threshold_curves, _tells_classes),
    "data": FigureEntry(planes.draw_data, is_plane),
    "right_and_wrong": FigureEntry(planes.draw_right_and_wrong, is_plane),
    "decision_regions": FigureEntry(planes.draw_decision_regions, is_plane),
    "worst_mistakes": FigureEntry(
        classes.draw_worst_mistakes, lambda data: _is_classification(data) and data.description.image_shape is not None
    ),
    "fitted_curves": FigureEntry(curves.draw_fitted_curves, is_line),
    "predicted_against_actual": FigureEntry(curves.draw_predicted_against_actual, _is_regression),
    "residuals": FigureEntry(curves.draw_residuals, _is_regression),
    "importance": FigureEntry(curves.draw_importance, lambda data: data.importance is not None),
}
