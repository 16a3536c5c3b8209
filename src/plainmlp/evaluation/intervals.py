"""Metrics of many bootstrap resamples at once, computed from how often each sample was drawn."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]

ENTRIES_AT_ONCE = 2**20  # of the table samples x resamples: 8 MB, small enough for the memory of any machine


def percentile_intervals(
    statistics: Mapping[str, Statistic],
    n_samples: int,
    *,
    generator: np.random.Generator,
    resamples: int,
    level: float,
) -> dict[str, tuple[float, float]]:
    """Return the bootstrap percentile interval of every statistic, all from the same resamples.

    Parameters
    ----------
    statistics : mapping of str to Statistic
        Each takes draw counts of shape (n_samples, n_resamples) and returns (n_resamples,) values.
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
    dict of str to (float, float)
        Lower and upper limit. They are equal where there is one sample only: every resample is that sample.

    Notes
    -----
    The limits are the (1 - level) / 2 and (1 + level) / 2 quantiles of the statistic over the resamples
    (Efron and Tibshirani, 1993, chapter 13).
    """
    from scipy.stats import bootstrap

    def values_of(rows: NDArray[np.intp], axis: int = -1) -> Values:
        counts = draw_counts(rows)
        return np.stack([statistic(counts) for statistic in statistics.values()])

    if n_samples == 1:
        single = values_of(np.zeros((1, 1), dtype=np.intp))[:, 0]
        return {name: (float(value), float(value)) for name, value in zip(statistics, single, strict=True)}
    limits = bootstrap(
        (np.arange(n_samples),),
        values_of,
        n_resamples=resamples,
        batch=max(1, ENTRIES_AT_ONCE // n_samples),
        vectorized=True,
        confidence_level=level,
        method="percentile",
        rng=generator,
    ).confidence_interval
    both = np.transpose([limits.low, limits.high])
    return {name: (float(low), float(high)) for name, (low, high) in zip(statistics, both, strict=True)}


def draw_counts(rows: NDArray[np.intp]) -> Values:
    """Count how often each sample was drawn.

    Parameters
    ----------
    rows : ndarray of shape (n_resamples, n_samples), integer
        The drawn rows of each resample, which has as many as there are samples.

    Returns
    -------
    ndarray of shape (n_samples, n_resamples), float64
        Each column sums to n_samples.
    """
    n_resamples, n_samples = rows.shape
    entries = rows * n_resamples + np.arange(n_resamples)[:, np.newaxis]
    counts = np.bincount(entries.ravel(), minlength=rows.size)
    return counts.reshape(n_samples, n_resamples).astype(np.float64)


def indicators(indices: NDArray[np.integer[Any]], n_columns: int, values: Values | None = None) -> Any:
    """Return a sparse table with one entry a row: `values` (default 1) in the column that `indices` names.

    Parameters
    ----------
    indices : ndarray of shape (n_samples,), integer
        From 0 to n_columns - 1.
    n_columns : int
        The width of the table.
    values : ndarray of shape (n_samples,), optional
        The entries.

    Returns
    -------
    scipy.sparse.csr_array of shape (n_samples, n_columns), float64
    """
    from scipy.sparse import csr_array

    entries = np.ones(len(indices)) if values is None else values
    return csr_array((entries, (np.arange(len(indices)), indices)), shape=(len(indices), n_columns))


def resampled_mean(values: NDArray[Any]) -> Statistic:
    """Return the statistic that is the mean of one value a sample.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    """
    numbers = values.astype(np.float64)
    return lambda counts: numbers @ counts / len(numbers)


def resampled_mean_ratio(parts: Any, wholes: Any) -> Statistic:
    """Return the statistic that is the mean over classes of sum(parts) / sum(wholes).

    Parameters
    ----------
    parts, wholes : sparse or dense array of shape (n_samples, n_classes)
        What each sample adds to a class's numerator and denominator.

    Notes
    -----
    A class whose denominator is 0 in a resample is left out of the mean; where that leaves none, nothing was
    there to be got wrong and the value is 1.
    """

    def statistic(counts: Values) -> Values:
        numerators, denominators = parts.T @ counts, wholes.T @ counts
        defined = denominators > 0
        ratios = np.divide(numerators, denominators, out=np.zeros_like(denominators), where=defined)
        n_defined = defined.sum(axis=0)
        return np.where(n_defined > 0, ratios.sum(axis=0) / np.maximum(n_defined, 1), 1.0)

    return statistic


def resampled_sum_of_gaps(gaps: Any) -> Statistic:
    """Return the statistic that sums the bins' absolute gaps, each the sum over its samples divided by n_samples.

    Parameters
    ----------
    gaps : sparse array of shape (n_samples, n_bins)
        Confidence minus correctness of each sample, in the column of its bin.
    """

    def statistic(counts: Values) -> Values:
        totals: Values = np.abs(gaps.T @ counts).sum(axis=0)
        return np.asarray(totals / gaps.shape[0])

    return statistic


def resampled_root_mean_square(errors: Values) -> Statistic:
    """Return the statistic that is the root of each column's mean square, averaged over the columns.

    Parameters
    ----------
    errors : ndarray of shape (n_samples, n_targets)
    """
    squares = np.square(errors).T
    return lambda counts: np.asarray(np.sqrt(squares @ counts / squares.shape[1]).mean(axis=0))


def resampled_largest(values: Values) -> Statistic:
    """Return the statistic that is the largest value among the samples that were drawn.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    """
    order = np.argsort(-values)
    return lambda counts: values[order[np.argmax(counts[order] > 0, axis=0)]]


def resampled_r2(targets: Values, errors: Values) -> Statistic:
    """Return the statistic that is the coefficient of determination, averaged over the targets.

    Parameters
    ----------
    targets, errors : ndarray of shape (n_samples, n_targets)

    Notes
    -----
    R2 = 1 - sum(errors^2) / sum((targets - mean)^2). As in scikit-learn, where all targets of a resample are
    equal the value is 1 if there is no error and else 0. Centring first keeps the difference of the two
    moments from losing its digits.
    """
    centred = (targets - targets.mean(axis=0)).T
    squares, squared_errors = np.square(centred), np.square(errors).T

    def statistic(counts: Values) -> Values:
        moments, residuals = squares @ counts, squared_errors @ counts
        spreads = moments - np.square(centred @ counts) / centred.shape[1]
        varied = spreads > 1e-12 * moments  # what rounding leaves of a spread of zero is smaller
        ratios = np.divide(residuals, spreads, out=(residuals > 0).astype(np.float64), where=varied)
        return np.asarray(1 - ratios.mean(axis=0))

    return statistic
