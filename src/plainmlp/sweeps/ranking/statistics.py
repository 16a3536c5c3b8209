"""The statistics of a sweep: what seeds vary, and whether two settings differ over the same seeds.

Sums are exact and rounded once. SciPy's values of Student's distribution are rounded to `DIGITS` significant digits, since
its last bits differ from processor to processor: so a leaderboard has the same bytes on each.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
DIGITS = 10
SAME = 1e-12  # the share of a value below which a difference is rounding


@dataclass(frozen=True)
class Summary:
    """Values of the same quantity over n seeds; a single one has no deviation and no interval."""

    n: int
    mean: float
    standard_deviation: float | None  # with n - 1 degrees of freedom
    interval: tuple[float, float] | None  # the 95 % confidence interval of the mean


def summarize(values: Sequence[float]) -> Summary:
    """Return mean, spread and confidence interval of values; the same values in any order give the same bits.

    The interval is that of Student (1908): ``mean +- t s / sqrt(n)`` with n - 1 degrees of freedom.
    """
    from scipy.stats import t

    n = len(values)
    mean, deviation = _mean_and_deviation(values)
    if n == 1:
        return Summary(1, mean, None, None)
    half = _rounded(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / math.sqrt(n)
    return Summary(n, mean, deviation, (mean - half, mean + half))


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation, with n - 1 degrees of freedom."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) * (value - mean) for value in values)
    return mean, math.sqrt(squares / max(len(values) - 1, 1))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def paired_p_value(first: Mapping[str, float], second: Mapping[str, float]) -> float | None:
    """Return the p-value of a paired, two-sided t-test over the seeds that both have; None for fewer than two.

    If the difference is the same for each seed, the test's statistic is infinite: the value is 0, or 1 if the
    difference is 0.
    """
    from scipy.stats import t

    seeds = sorted(first.keys() & second.keys())
    if len(seeds) < 2:
        return None
    differences = [first[seed] - second[seed] for seed in seeds]
    rounding = SAME * max(abs(values[seed]) for values in (first, second) for seed in seeds)
    largest = max(map(abs, differences))
    if max(differences) - min(differences) <= rounding:
        return float(largest <= rounding)
    shares = [difference / largest for difference in differences]  # so that no square is too small
    mean, deviation = _mean_and_deviation(shares)
    statistic = abs(mean) / (deviation / math.sqrt(len(seeds)))
    return _rounded(2 * t.sf(statistic, len(seeds) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, so that all comparisons together err at the level of each.

    Holm (1979): the k-th smallest of m is multiplied by m - k + 1, is at most 1, and no less than the one before it.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = largest
    return adjusted
