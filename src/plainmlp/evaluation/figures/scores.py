"""An axis of scores: the closer to perfect they are, the more room there is between two of them."""

from typing import TYPE_CHECKING, Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.evaluation.figures.canvas import value_range
from plainmlp.nn.early_stopping import is_higher_better

if TYPE_CHECKING:
    from matplotlib.axis import Axis

WIDE_SPAN = 8
CEILING = 1.001  # a little more than the best score of an accuracy, whose error has a logarithm then
LANDMARKS = (0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 1)


def is_wide(metric: str, scores: Array) -> bool:
    """Say whether scores need a stretched scale: as errors they span most of a decade."""
    errors = CEILING - scores if is_higher_better(metric) else scores
    return bool(errors.min() > 0 and errors.max() / errors.min() > WIDE_SPAN)


def scale_scores(axis: "Axis", metric: str, scores: Array) -> None:
    """Set the scale of an axis of scores: a wide span is stretched, the closer to perfect the more."""
    from matplotlib.ticker import FixedLocator

    if not is_wide(metric, scores):
        return
    if is_higher_better(metric):
        axis.axes.set_yscale("function", functions=(stretch, shrink))
        axis.set_major_locator(FixedLocator(LANDMARKS))
        axis.set_major_formatter("{x:g}")
    else:
        axis.axes.set_yscale("log")


def limits(metric: str, scores: Array) -> tuple[float, float]:
    """Return the limits of an axis of scores, with a margin on both sides in its own scale."""
    if not is_wide(metric, scores):
        return value_range(scores)
    if is_higher_better(metric):
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
