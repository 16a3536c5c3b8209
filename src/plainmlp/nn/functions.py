"""Elementary functions whose bits depend on no library: exp, expm1, log, log1p, tanh and sigmoid.

Each stays in its dtype, float32 or float64. They are also compiled for vectors, so they hold nothing but assignments,
`+ - * /`, comparisons, `&` and `|` of these, the primitives of `plainmlp.nn.arithmetic`, each other, constants, and a
branch for float32 where polynomials differ in length. All other branches are computed and `select` takes one: callers
ignore the overflows and invalid operations of the others (`np.errstate(all="ignore")`).

Errors are in units in the last place (ulp) of the exact value, in float32 and in float64: the largest found over every
float32 from 2^-8 to 2^7 and every 61st other, and over millions of float64. Polynomials have about the least largest
relative error (fitted as in Lawson 1961), the quotients in `tanh` agree with it at Chebyshev nodes; coefficients were
then rounded to their dtype.
"""

from collections.abc import Callable

from plainmlp.nn.arithmetic import Array, absolute, by_dtype, exponent, is_single, power_of_two, select

INFINITY = float("inf")
NOT_A_NUMBER = float("nan")

LOG2_E = 1.4426950408889634
# ln 2 in two parts; the first has so few bits that its product with an exponent is exact
LN2_HIGH_SINGLE, LN2_LOW_SINGLE = 0.693145751953125, 1.42860677e-6
LN2_HIGH_DOUBLE, LN2_LOW_DOUBLE = 0.6931471805601177, -1.7239444525614835e-13
# 1.5 * 2^23 and 1.5 * 2^52: added and subtracted again, they round to the nearest whole number
ROUND_SINGLE, ROUND_DOUBLE = 12582912.0, 6755399441055744.0


def exp(x: Array) -> Array:
    """Return e^x, within 1.05 and 1.05 ulp.

    e^x = 2^n e^r with x = n ln 2 + r and |r| <= ln 2 / 2 (Cody and Waite 1980). Two factors make 2^n, so that a
    subnormal result is rounded once.
    """
    x = _bounded(x, by_dtype(x, -104.0, -746.0), by_dtype(x, 89.0, 710.0))
    n = _nearest(x * LOG2_E)
    half = _nearest(n * 0.5)
    r = _remainder(x, n)
    return (1.0 + (r + _exp_rest(r))) * power_of_two(half) * power_of_two(n - half)


def expm1(x: Array) -> Array:
    """Return e^x - 1, accurate near 0: within 1.35 and 1.75 ulp.

    With n and r as in `exp`, e^x - 1 = (2^n - 1) + 2^n r + 2^n (e^r - 1 - r). Half of each term is summed, since 2^128
    is no float32.
    """
    bounded = _bounded(x, by_dtype(x, -18.0, -38.0), by_dtype(x, 89.0, 710.0))
    n = _nearest(bounded * LOG2_E)
    r = _remainder(bounded, n)
    half = power_of_two(n - 1.0)
    y = ((half - 0.5) + half * r) + half * _exp_rest(r)
    return select(absolute(x) < by_dtype(x, 2.0e-8, 5.0e-17), x, y + y)


def log(x: Array) -> Array:
    """Return the natural logarithm of x, within 0.9 and 0.9 ulp.

    log x = k ln 2 + log(1 + f) with x = 2^k (1 + f) and 1 + f from sqrt(1/2) to sqrt(2), and 1 + f is exact.
    """
    small = x < by_dtype(x, 7.888609052210118e-31, 1.1830521861667747e-271)  # 2^-100, 2^-900
    y = select(small, x * by_dtype(x, 4.611686018427388e18, 3.1691265005705735e29), x * 0.25)  # 2^62, 2^98
    e = exponent(y * 1.4142135623730951)
    f = y * power_of_two(-e) - 1.0
    y = _log_sum(select(small, e - by_dtype(x, 62.0, 98.0), e + 2.0), f)
    y = select(x < INFINITY, y, x)
    y = select(x == 0.0, -INFINITY, y)
    return select(x < 0.0, NOT_A_NUMBER, y)


def log1p(x: Array) -> Array:
    """Return log(1 + x), accurate near 0: within 1.45 and 1.45 ulp.

    What the rounding of u = 1 + x loses is c = x - (u - 1) (after Kahan, as in Goldberg 1991). Scaled as u is, it is
    added to the f of `log`; where k = 0, f is x itself.
    """
    u = 1.0 + x
    e = exponent(u * 0.35355339059327373)  # sqrt(2) / 4
    scale = power_of_two(-e) * 0.25
    f = (u * scale - 1.0) + (x - (u - 1.0)) * scale
    y = _log_sum(e + 2.0, f)
    y = select((x < INFINITY) & (x != 0.0), y, x)
    y = select(x == -1.0, -INFINITY, y)
    return select(x < -1.0, NOT_A_NUMBER, y)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent of x, within 1.35 and 1.4 ulp.

    Up to |x| = 1 it is a + a^3 P(a^2) / Q(a^2) with a = |x|, above 1 - 2 / (e^2a + 1); one division serves both. The
    form is that of Cephes (Moshier 1989), P and Q are fitted here.
    """
    a = absolute(x)
    limit = by_dtype(x, 10.0, 20.0)
    bounded = select(a > limit, limit, a)
    bounded = bounded + bounded
    n = _nearest(bounded * LOG2_E)
    r = _remainder(bounded, n)
    above = (1.0 + (r + _exp_rest(r))) * power_of_two(n) + 1.0
    z = a * a
    small = a < 1.0
    y = select(small, a, 1.0) + select(small, a * z * _tanh_top(z), -2.0) / select(small, _tanh_bottom(z), above)
    return select(x > 0.0, y, select(x < 0.0, -y, x))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x), accurate in both tails: within 1.9 and 1.95 ulp.

    With e = e^-|x|, which overflows nowhere, and q = e / (1 + e) it is 1 - q for x >= 0. Below 0 it is q, and e - e q
    is that again, but with less error where e is small.
    """
    e = exp(-absolute(x))
    q = e / (1.0 + e)
    return select(x < 0.0, e - e * q, 1.0 - q)


def _bounded(x: Array, low: float, high: float) -> Array:
    """Return x, or the bound that it is beyond."""
    x = select(x > high, high, x)
    return select(x < low, low, x)


def _nearest(x: Array) -> Array:
    """Return the nearest whole number."""
    large = by_dtype(x, ROUND_SINGLE, ROUND_DOUBLE)
    return (x + large) - large


def _remainder(x: Array, n: Array) -> Array:
    """Return x - n ln 2, rounded about once."""
    high = n * by_dtype(x, LN2_HIGH_SINGLE, LN2_HIGH_DOUBLE)
    return (x - high) - n * by_dtype(x, LN2_LOW_SINGLE, LN2_LOW_DOUBLE)


def _exp_rest(r: Array) -> Array:
    """Return e^r - 1 - r for |r| <= ln 2 / 2: r^2 times a polynomial, whose even and odd halves run side by side."""
    z = r * r
    if is_single(r):
        even = (0.00138681056 * z + 0.0416674763) * z + 0.49999997
        odd = 0.00836724788 * z + 0.166665375
        return z * (even + r * odd)
    even = (2.0875682659520296e-09 * z + 2.755740381621818e-07) * z + 2.4801587168119253e-05
    even = ((even * z + 0.0013888888888966312) * z + 0.0416666666666665) * z + 0.5
    odd = (2.510975163601679e-08 * z + 2.755724223643832e-06) * z + 0.00019841269887972143
    odd = (odd * z + 0.008333333333320966) * z + 0.16666666666666677
    return z * (even + r * odd)


def _log_sum(k: Array, f: Array) -> Array:
    """Return k ln 2 + log(1 + f).

    In float32 as f - f^2 / 2 + f^3 times a polynomial in f, in even and odd halves, in the order of Cephes (Moshier
    1989); in float64 as 2 artanh s with s = f / (2 + f), as in fdlibm (Sun 1993).
    """
    if is_single(f):
        z = f * f
        even = ((0.127636448 * z + 0.142014414) * z + 0.200012445) * z + 0.333333313
        odd = ((-0.0763553306 * z - 0.131605774) * z - 0.166233018) * z - 0.250008225
        y = f * z * (even + f * odd) + k * LN2_LOW_SINGLE
        return (f + (y - 0.5 * z)) + k * LN2_HIGH_SINGLE
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = ((0.1479691298316635 * w + 0.18183567681412016) * w + 0.285714287429327) * w + 0.6666666666666735
    even = (0.15313959383557701 * w + 0.2222219851282184) * w + 0.39999999999412433
    half = 0.5 * (f * f)
    y = s * (half + z * (odd + z * even)) + k * LN2_LOW_DOUBLE
    return k * LN2_HIGH_DOUBLE - ((half - y) - f)


def _tanh_top(z: Array) -> Array:
    """Return P(z) of `tanh`."""
    if is_single(z):
        return -0.934129141 * z - 21.1712703
    return ((-6.77938647215068e-05 * z - 0.9566609622608291) * z - 84.2061661981231) * z - 1311.1148789557235


def _tanh_bottom(z: Array) -> Array:
    """Return Q(z) of `tanh`."""
    if is_single(z):
        return (z + 28.2079087) * z + 63.5138111
    return ((z + 96.4252973019768) * z + 1825.9563533412343) * z + 3933.3446368671707


Function = Callable[[Array], Array]
FUNCTIONS: dict[str, Function] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "tanh": tanh,
    "sigmoid": sigmoid,
}
