"""Every picture of a trained network: one table, from which those that suit the data are drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.evaluation.figures.canvas import FigureData, save_figure
from plainmlp.evaluation.figures.classes import draw_calibration, draw_confusion_matrix, draw_worst_mistakes
from plainmlp.evaluation.figures.curves import (
    draw_fitted_curves,
    draw_learning_curves,
    draw_predicted_against_actual,
    draw_steps,
)
from plainmlp.evaluation.figures.planes import draw_data, draw_decision_regions, draw_right_and_wrong

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureEntry:
    """A picture and the data that it suits.

    Parameters
    ----------
    draw : callable
        Takes a `FigureData`, returns a matplotlib figure.
    applies : callable
        Takes a `FigureData`, says whether the picture can be drawn of it.
    """

    draw: Callable[[FigureData], "Figure"]
    applies: Callable[[FigureData], bool]


def draw_figures(data: FigureData, folder: Path) -> list[Path]:
    """Write each figure that applies to `<folder>/<name>.png`; the same data gives the same bytes.

    Returns
    -------
    list of Path
        The files, in the order of `FIGURES`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, entry in FIGURES.items() if entry.applies(data)]
    return [save_figure(FIGURES[name].draw, data, folder / f"{name}.png") for name in names]


def _is_classification(data: FigureData) -> bool:
    return data.description.task == "classification"


def _is_plane(data: FigureData) -> bool:
    return _is_classification(data) and _has_numbers_only(data, n_columns=2)


def _is_regression(data: FigureData) -> bool:
    return data.description.task == "regression"


def _is_curve(data: FigureData) -> bool:
    return _is_regression(data) and _has_numbers_only(data, n_columns=1)


def _is_images(data: FigureData) -> bool:
    return _is_classification(data) and data.description.image_shape is not None


def _has_numbers_only(data: FigureData, n_columns: int) -> bool:
    """Say whether there are that many raw features, none of them a category."""
    return [column.categories for column in data.description.columns] == [None] * n_columns


FIGURES: dict[str, FigureEntry] = {
    "learning_curves": FigureEntry(draw_learning_curves, lambda data: bool(data.history.get("train_loss"))),
    "steps": FigureEntry(draw_steps, lambda data: bool(data.steps)),
    "confusion_matrix": FigureEntry(draw_confusion_matrix, _is_classification),
    "calibration": FigureEntry(draw_calibration, _is_classification),
    "data": FigureEntry(draw_data, _is_plane),
    "right_and_wrong": FigureEntry(draw_right_and_wrong, _is_plane),
    "decision_regions": FigureEntry(draw_decision_regions, _is_plane),
    "worst_mistakes": FigureEntry(draw_worst_mistakes, _is_images),
    "fitted_curves": FigureEntry(draw_fitted_curves, _is_curve),
    "predicted_against_actual": FigureEntry(draw_predicted_against_actual, _is_regression),
}
