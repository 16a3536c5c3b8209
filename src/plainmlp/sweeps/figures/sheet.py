"""What the figures of a sweep share: the words, and the scale of the scores."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.evaluation.figures.canvas import caption, value_range
from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.leaderboard import Leaderboard, Row
from plainmlp.sweeps.ranking.swept import short_names, value_order

if TYPE_CHECKING:
    from matplotlib.axis import Axis

WIDE_SPAN = 8
LONGEST_NUMBER = 9
CEILING = 1.001  # a little more than the best score of an accuracy, whose error has a logarithm then
LANDMARKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1)


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


def is_wide(board: Leaderboard, scores: Array) -> bool:
    """Say whether scores need a stretched scale: as errors they span most of a decade."""
    errors = CEILING - scores if is_higher_better(board.metric) else scores
    return bool(errors.min() > 0 and errors.max() / errors.min() > WIDE_SPAN)


def scale_scores(axis: "Axis", board: Leaderboard, scores: Array) -> None:
    """Set the scale of an axis of scores: a wide span is stretched, the closer to perfect the more."""
    from matplotlib.ticker import FixedLocator

    if not is_wide(board, scores):
        return
    if is_higher_better(board.metric):
        axis.axes.set_yscale("function", functions=(stretch, shrink))
        axis.set_major_locator(FixedLocator(LANDMARKS))
        axis.set_major_formatter("{x:g}")
    else:
        axis.axes.set_yscale("log")


def limits(board: Leaderboard, scores: Array) -> tuple[float, float]:
    """Return the limits of an axis of scores, with a margin on both sides in its own scale."""
    if not is_wide(board, scores):
        return value_range(scores)
    if is_higher_better(board.metric):
        low, high = value_range(stretch(scores))
        return float(shrink(low)), min(1.0, float(shrink(high)))
    low, high = value_range(np.log(scores))
    return float(np.exp(low)), float(np.exp(high))


def stretch(scores: Any) -> Any:
    """Turn scores that are at most 1 into a number of nines."""
    return -np.log10(CEILING - np.minimum(scores, 1))


def shrink(nines: Any) -> Any:
    """Turn a number of nines back into scores."""
    return CEILING - np.power(10.0, -np.asarray(nines))
