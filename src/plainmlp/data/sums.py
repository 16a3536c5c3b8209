"""Sums of floating-point numbers in a stated order, so that their bits are the same on every processor.

NumPy's own sums add in an order that hangs on the width of the processor's vectors and on the layout of the array.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.stored import Array, StoredRows, piece_rows

Numbers = NDArray[np.float64]

LANES = 256


def sum_by_halves(values: Array) -> Any:
    """Return the sum along the first axis, as float64.

    Parameters
    ----------
    values : ndarray of shape (n, ...), any numeric dtype
        At least one row.

    Notes
    -----
    The last n // 2 rows are added to the first n // 2, and so on with what there is then, until one row is left. The
    error grows with the logarithm of n.
    """
    n = len(values)
    sums = values[: n - n // 2].astype(np.float64)
    while n > 1:
        half = n // 2
        sums[:half] += values[n - half : n]
        n -= half
        values = sums
    return sums[0]


def column_sums(values: Array | StoredRows, terms: Callable[[Array], Array] = np.asarray) -> Numbers:
    """Return the sum of each column, in one pass.

    Parameters
    ----------
    values : ndarray or StoredRows of shape (n_samples, n_columns), any numeric dtype
    terms : callable (rows) -> ndarray of shape (n, n_terms), optional
        What is summed in place of the rows themselves.

    Notes
    -----
    Row i is added to lane i modulo 256, in order; then the lanes are added by halves. Rows that are held and rows that
    are read some at a time have the same sums.
    """
    lanes = np.zeros((LANES, terms(values[:1]).shape[1]))
    at_once = max(1, piece_rows(values.shape[1]) // LANES) * LANES
    for start in range(0, len(values), at_once):
        piece = values[start : start + at_once]
        for first in range(0, len(piece), LANES):
            rows = terms(piece[first : first + LANES])
            lanes[: len(rows)] += rows
    sums: Numbers = sum_by_halves(lanes)
    return sums
