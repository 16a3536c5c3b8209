"""Sine and cosine of numbers from 0 to 1, in operations that every processor rounds alike."""

import math

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

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
