"""The primitives of portable arithmetic: what every function of the core is made of beside + - * / and comparisons.

Each rounds at most once and is defined by IEEE 754, so that its bits depend on no library and no processor. Functions
that are written in these alone can be called with arrays, and compiled for vectors: see `plainmlp.nn.compiled`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

FRACTION_BITS = {np.dtype(np.float32): 23, np.dtype(np.float64): 52}


def select(condition: Array, chosen: Array | float, other: Array | float) -> Array:
    """Return `chosen` where a condition holds, else `other`; one of them is an array, whose dtype the result has."""
    dtype = chosen.dtype if isinstance(chosen, (np.ndarray, np.generic)) else other.dtype  # type: ignore[union-attr]
    selected: Array = np.where(condition, np.asarray(chosen, dtype), np.asarray(other, dtype))
    return selected


def is_single(x: Array) -> bool:
    """Say whether numbers are float32."""
    return x.dtype == np.float32


def by_dtype(x: Array, single: float, double: float) -> float:
    """Return the first of two constants for float32, the second for float64."""
    return single if is_single(x) else double


def absolute(x: Array) -> Array:
    """Return |x|, exact."""
    magnitude: Array = np.abs(x)
    return magnitude


def square_root(x: Array) -> Array:
    """Return the square root of x, rounded once."""
    root: Array = np.sqrt(x)
    return root


def power_of_two(n: Array) -> Array:
    """Return 2^n, exact.

    Parameters
    ----------
    n : ndarray, float32 or float64
        Whole numbers from -126 to 127, in float64 from -1022 to 1023; other values mean nothing.
    """
    integers, bits = _integers(n.dtype), FRACTION_BITS[n.dtype]
    with np.errstate(invalid="ignore"):  # of what means nothing
        whole = n.astype(integers)
    bias = integers.type((1 << (n.dtype.itemsize * 8 - 2 - bits)) - 1)
    power: Array = ((whole + bias) << integers.type(bits)).view(n.dtype)
    return power


def exponent(x: Array) -> Array:
    """Return the largest n for which 2^n <= x, exact; of a number that is not positive, finite and normal it means nothing."""
    integers, bits = _integers(x.dtype), FRACTION_BITS[x.dtype]
    bias = integers.type((1 << (x.dtype.itemsize * 8 - 2 - bits)) - 1)
    return ((np.ascontiguousarray(x).view(integers) >> integers.type(bits)) - bias).astype(x.dtype)


def _integers(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the integers of a dtype's size."""
    return np.dtype(np.int32 if dtype.itemsize == 4 else np.int64)


def whole_power(base: float, exponents: Array) -> Array:
    """Return base^n for whole numbers n, by repeated squaring.

    Parameters
    ----------
    base : float
    exponents : ndarray
        At least 0.

    Returns
    -------
    ndarray of the same shape, float64

    Examples
    --------
    >>> whole_power(0.5, np.array([0, 1, 3])).tolist()
    [1.0, 0.5, 0.125]
    """
    left = np.asarray(exponents).astype(np.int64)
    power, square = np.ones(left.shape), np.float64(base)
    while left.any():
        power = np.where(left & 1, power * square, power)
        left, square = left >> 1, square * square
    return power


def keeps_subnormals() -> bool:
    """Return whether this process computes with subnormal numbers; a library built with -ffast-math may end that."""
    smallest: list[Array] = [np.full(16, np.finfo(dtype).smallest_normal, dtype) for dtype in (np.float32, np.float64)]
    return all(bool((2 * (number / 2) == number).all()) for number in smallest)
