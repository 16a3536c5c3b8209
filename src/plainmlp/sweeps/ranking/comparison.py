"""Which settings are worse than the best one, though the best was picked on the values that it is compared on.

The p-values count simulated sweeps, so that the last bits of a sum, which differ from processor to processor, decide
nothing: a leaderboard has the same bytes on each.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.nn.randomness import generator

LEVEL = 0.05
SHARED = 0.25  # of the mean variance of all settings, which joins that of each: three equal scores show no spread
SAME = 1e-12  # the share of a score below which a difference is rounding
MAX_SWEEPS, FEWEST_SWEEPS = 9_999, 999  # that are simulated
MAX_DRAWS = 10_000_000  # unless the fewest sweeps need more
DRAWS_AT_ONCE = 500_000
LAYOUTS = 256  # whose simulated sweeps are kept


def compare_with_best(rows: Sequence[Mapping[str, float]]) -> list[float | None]:
    """Return how often chance alone would let some setting fall behind the best as far as each one does.

    Parameters
    ----------
    rows : sequence of mapping of str to float
        The scores of each setting by seed, higher is better; the best setting first.

    Returns
    -------
    list of float or None
        A p-value for each setting but the first, from 0.0001 to 1; None with fewer than two seeds in common with it.

    Notes
    -----
    Seeds pair the scores: what a seed does to all settings alike is taken away. The lead of the best setting b over
    another one i is ``(m_b - m_i) / sqrt((s_b^2 + c) / n_b + (s_i^2 + c) / n_i)`` with the means m, the variances s^2
    over n seeds, and a quarter of the mean variance of all settings as c, as Tusher, Tibshirani and Chu (2001) steady
    such a quotient. Its p-value is that of a Monte Carlo test (Dwass 1957): the share of simulated sweeps, of as many
    settings and seeds with normal scores that are all equal in truth, in which the best one leads any other by as much.

    Settings that are worse at the level 0.05 leave, and the others are compared among themselves until none is.
    """
    p_values: list[float | None] = [None] * (len(rows) - 1)
    left = [number for number in range(1, len(rows)) if len(rows[0].keys() & rows[number].keys()) >= 2]
    while left:
        for number, p_value in zip(left, _p_values([rows[0], *(rows[number] for number in left)]), strict=True):
            p_values[number - 1] = p_value
        tied = [number for number in left if (p_values[number - 1] or 0) >= LEVEL]
        left = tied if len(tied) < len(left) else []
    return p_values


def _p_values(rows: Sequence[Mapping[str, float]]) -> list[float]:
    """Return the p-value of each row but the first in one comparison of all, over the seeds of the first."""
    scores = np.array([[row.get(seed, np.nan) for seed in sorted(rows[0])] for row in rows])
    present = ~np.isnan(scores)
    scores = np.where(present, scores, 0)
    scores /= np.abs(scores).max() or 1  # no square is too large or too small then
    [leads] = _leads(scores[np.newaxis], present, np.zeros(1, dtype=np.intp))
    simulated = _simulated_leads(present.tobytes(), len(rows))
    n_larger = len(simulated) - np.searchsorted(simulated, leads[1:])
    return [(1 + int(count)) / (1 + len(simulated)) for count in n_larger]


def _leads(scores: Array, present: Array, best: Array) -> Array:
    """Return how far the best row of each sweep leads every row, in standard errors.

    Parameters
    ----------
    scores : ndarray of shape (n_sweeps, n_rows, n_seeds)
        0 where a row lacks a seed.
    present : ndarray of shape (n_rows, n_seeds), bool
    best : ndarray of shape (n_sweeps,), int

    Returns
    -------
    ndarray of shape (n_sweeps, n_rows)
    """
    n = present.sum(axis=1)
    residuals = (scores - (scores.sum(axis=2) / n)[..., np.newaxis]) * present
    effects = residuals.sum(axis=1) / present.sum(axis=0)  # of the seeds
    scores = (scores - effects[:, np.newaxis]) * present
    means = scores.sum(axis=2) / n
    residuals = (scores - means[..., np.newaxis]) * present
    variances = (residuals * residuals).sum(axis=2) / (n - 1)
    shared = SHARED * variances.sum(axis=1, keepdims=True) / len(n)
    errors = (variances + shared + SAME * SAME) / n
    of_best = best[:, np.newaxis]
    return np.asarray(
        (np.take_along_axis(means, of_best, 1) - means) / np.sqrt(np.take_along_axis(errors, of_best, 1) + errors)
    )


@lru_cache(LAYOUTS)
def _simulated_leads(layout: bytes, n_rows: int) -> Array:
    """Return the largest lead in each of many sweeps whose rows are equal in truth, in ascending order."""
    present = np.frombuffer(layout, dtype=bool).reshape(n_rows, -1)
    largest = []
    for scores in _simulated_scores(present):
        best = (scores.sum(axis=2) / present.sum(axis=1)).argmax(axis=1)
        largest.append(_leads(scores, present, best).max(axis=1))
    return np.sort(np.concatenate(largest))


def _simulated_scores(present: Array) -> Iterator[Array]:
    """Yield normal scores of many sweeps, as many at once as fit into little memory."""
    draws, size = generator(0, "comparison"), present.size
    n_sweeps = max(FEWEST_SWEEPS, min(MAX_SWEEPS, MAX_DRAWS // size))
    at_once = max(1, DRAWS_AT_ONCE // size)
    for start in range(0, n_sweeps, at_once):
        yield draws.standard_normal((min(at_once, n_sweeps - start), *present.shape)) * present
