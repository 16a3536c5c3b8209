"""Bootstrap confidence intervals: the quantiles of metrics over resamples of the rows."""

from collections.abc import Callable

import numpy as np

from plainmlp.evaluation.summands import Rows, Values

DRAWS_AT_ONCE = 2**14  # 128 KB of row numbers: small enough for the cache of a core


def percentile_intervals(
    measure: Callable[[Rows], Values],
    n_samples: int,
    *,
    generator: np.random.Generator,
    resamples: int,
    level: float,
) -> list[tuple[float, float]]:
    """Return the bootstrap percentile interval of every metric, all from the same resamples.

    Parameters
    ----------
    measure : callable (rows) -> ndarray of shape (n_metrics, n_resamples)
        Takes the drawn rows, of shape (n_samples, n_resamples).
    n_samples : int
        The number of rows that are resampled, at least 1.
    generator : numpy.random.Generator
        Draws the resamples.
    resamples : int
        How many, at least 1.
    level : float
        The interval's confidence level, in (0, 1).

    Returns
    -------
    list of (float, float)
        Lower and upper limit of each metric. They are equal where there is one sample only.

    Notes
    -----
    The limits are the (1 - level) / 2 and (1 + level) / 2 quantiles of the metric over the resamples (Efron and
    Tibshirani, 1993, chapter 13), interpolated linearly between the two nearest ones.
    """
    at_once = max(1, DRAWS_AT_ONCE // n_samples)
    sizes = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    measured = [measure(generator.integers(0, n_samples, (n_samples, size))) for size in sizes]
    ordered = np.sort(np.concatenate(measured, axis=1), axis=1)
    low, high = (_quantile(ordered, share) for share in ((1 - level) / 2, (1 + level) / 2))
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _quantile(ordered: Values, share: float) -> Values:
    """Return what a share of the values of each row is below, interpolated linearly."""
    position = share * (ordered.shape[1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    quantile: Values = ordered[:, below] + (position - below) * (ordered[:, above] - ordered[:, below])
    return quantile
