"""Portable arithmetic: sums in a stated order, and sine and cosine, with the same bits on every processor.

NumPy's own sums add in an order that depends on the width of the processor's vectors and on the layout of the array.
"""

import math
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


def count_classes(classes: Array, n_classes: int) -> NDArray[np.intp]:
    """Return how many samples each class has, counted a piece at a time, since NumPy would widen all numbers at once."""
    counts, at_once = np.zeros(n_classes, np.intp), piece_rows(1)
    for start in range(0, len(classes), at_once):
        counts += np.bincount(classes[start : start + at_once], minlength=n_classes)
    return counts


# FreeBSD's msun, k_sin.c and k_cos.c (Sun Microsystems, 1993): minimax polynomials in x^2 for |x| <= pi / 4
SINE = (
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
COSINE = (
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)
HALF_PI = 1.57079632673412561417e00  # its first 33 bits, so that subtracting it is exact
HALF_PI_REST = 6.07710050650619224932e-11


def sine_and_cosine(x: Numbers) -> tuple[Numbers, Numbers]:
    """Return sin(x) and cos(x), both within one unit in the last place.

    Parameters
    ----------
    x : ndarray of float64
        From 0 to 1.

    Notes
    -----
    Above pi / 4 they are the cosine and the sine of pi / 2 - x, which is kept in two numbers.
    """
    is_large = x > math.pi / 4
    complement = HALF_PI - x
    near = np.where(is_large, complement + HALF_PI_REST, x)
    rest = np.where(is_large, (complement - near) + HALF_PI_REST, 0.0)
    sine, cosine = _sine(near, rest), _cosine(near, rest)
    return np.where(is_large, cosine, sine), np.where(is_large, sine, cosine)


def _sine(x: Numbers, rest: Numbers) -> Numbers:
    """Return the sine of x + rest."""
    square = x * x
    cube = square * x
    series = _polynomial(square, SINE[1:])
    sine: Numbers = x - ((square * (0.5 * rest - cube * series) - rest) - cube * SINE[0])
    return sine


def _cosine(x: Numbers, rest: Numbers) -> Numbers:
    """Return the cosine of x + rest."""
    square = x * x
    half = 0.5 * square
    first = 1.0 - half
    cosine: Numbers = first + (((1.0 - first) - half) + (square * square * _polynomial(square, COSINE) - x * rest))
    return cosine


def _polynomial(x: Numbers, coefficients: tuple[float, ...]) -> Numbers:
    """Return c0 + c1 x + c2 x^2 ..., by Horner's rule."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
