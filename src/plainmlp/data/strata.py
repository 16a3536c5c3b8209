"""Stratified parting: rows drawn from each class in its proportion, as scikit-learn draws them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.stored import Array, Rows

Counts = NDArray[np.integer[Any]]


def part_by_class(rows: Rows, classes: Array, n_taken: int, seed: int) -> tuple[Rows, Rows]:
    """Part rows into those that are kept and those that are taken.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,), integer
        Their numbers.
    classes : ndarray of shape (n_rows,), integer
        The class of each row; each at least twice.
    n_taken : int
        At least the number of classes, and as many fewer than there are rows.

    Notes
    -----
    The parts and their order are those of `sklearn.model_selection.train_test_split` with ``stratify=classes``, whose
    lists of Python numbers take 40 bytes a row.
    """
    draws = np.random.RandomState(seed)
    present, counts = np.unique(classes, return_counts=True)
    kept_counts = _shares(counts, len(classes) - n_taken, draws)
    taken_counts = _shares(counts - kept_counts, n_taken, draws)
    kept, taken = np.empty(len(rows) - n_taken, rows.dtype), np.empty(n_taken, rows.dtype)
    ends = zip(np.cumsum(kept_counts), np.cumsum(taken_counts), strict=True)
    for label, n_kept, n_left, (kept_end, taken_end) in zip(present, kept_counts, taken_counts, ends, strict=True):
        of_class = rows[classes == label]
        draws.shuffle(of_class)
        kept[kept_end - n_kept : kept_end] = of_class[:n_kept]
        taken[taken_end - n_left : taken_end] = of_class[n_kept:]
    draws.shuffle(kept)
    draws.shuffle(taken)
    return kept, taken


def _shares(counts: Counts, n_drawn: int, draws: np.random.RandomState) -> Counts:
    """Return how many of each class to draw: its share without the fraction, then one more for the largest fractions.

    Among equal fractions the draws decide; there is one draw for each size of a fraction that gets any.
    """
    shares = counts / counts.sum() * n_drawn
    whole: Counts = np.floor(shares).astype(np.intp)
    missing = n_drawn - int(whole.sum())
    fractions = shares - whole
    for fraction in np.unique(fractions)[::-1]:
        if missing <= 0:
            break
        (equal,) = np.nonzero(fractions == fraction)
        chosen = draws.choice(equal, min(len(equal), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    return whole
