"""The spread of values over seeds.

Sums are exact and rounded once. SciPy's values of Student's distribution are rounded to `DIGITS` significant digits, since
its last bits differ from processor to processor: so a leaderboard has the same bytes on each.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from plainmlp.evaluation.metrics import range_of

CONFIDENCE = 0.95
DIGITS = 10


@dataclass(frozen=True)
class Summary:
    """Values of the same quantity over n seeds; a single one has no deviation and no interval."""

    n: int
    mean: float
    standard_deviation: float | None  # with n - 1 degrees of freedom
    interval: tuple[float, float] | None  # the 95 % confidence interval of the mean, within what the quantity can be


def summarize(values: Sequence[float], metric: str = "") -> Summary:
    """Return mean, spread and confidence interval of values; the same values in any order give the same bits.

    The interval is that of Student (1908): ``mean +- t s / sqrt(n)`` with n - 1 degrees of freedom, cut off where the
    metric ends. Values that all agree have none: they say too little of their spread.
    """
    from scipy.special import stdtrit  # of scipy.stats, which takes a second to import

    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Summary(n, mean, None, None)
    deviation = math.sqrt(math.fsum((value - mean) * (value - mean) for value in values) / (n - 1))
    if deviation == 0:
        return Summary(n, mean, deviation, None)
    quantile = float(f"{stdtrit(n - 1, (1 + CONFIDENCE) / 2):.{DIGITS}g}")
    half = quantile * deviation / math.sqrt(n)
    lowest, highest = range_of(metric.partition("_")[2])
    return Summary(n, mean, deviation, (max(lowest, mean - half), min(highest, mean + half)))
