"""The elementary functions on drawn numbers: the plain and the compiled form of each, and a digest of what they say."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.randomness import generator

Array = NDArray[Any]

FUNCTIONS_CASE = "functions"
FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid")
INTEGERS = {"float32": np.uint32, "float64": np.uint64}
DRAWN = 1_000_000
DIGITS = 16  # hexadecimal, of each digest


def draw_numbers(dtype: str, count: int = DRAWN) -> Array:
    """Return numbers of every kind: random bit patterns, values from -32 to 32, values near zero, and special ones.

    Parameters
    ----------
    dtype : {"float32", "float64"}
    count : int, default 1,000,000
        Of the numbers that are drawn.
    """
    draws = generator(0, f"{dtype} of the portability check")
    share = count // 4
    integers: Any = INTEGERS[dtype]
    patterns = draws.integers(np.iinfo(integers).max, size=count - 2 * share, dtype=integers, endpoint=True)
    common = draws.random(share) * 64 - 32
    small = np.ldexp(draws.random(share) - 0.5, draws.integers(-60, 1, size=share))
    tiny = np.finfo(dtype).smallest_subnormal
    special = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, tiny, -tiny, np.finfo(dtype).max, np.finfo(dtype).min]
    return np.concatenate([patterns.view(dtype), *(part.astype(dtype) for part in (common, small, np.array(special)))])


def evaluate(name: str, form: str, numbers: Array) -> Array:
    """Return a function of numbers in one form; every NaN with the same bits, of which processors make different ones.

    Parameters
    ----------
    name : str
        In `FUNCTIONS`.
    form : {"plain", "compiled"}
    numbers : ndarray, float32 or float64
    """
    with np.errstate(all="ignore"):
        if form == "compiled":
            from plainmlp.nn.compiled.descent import evaluate_function

            values = np.asarray(evaluate_function(name, numbers))
        else:
            from plainmlp.nn import functions

            values = np.asarray(getattr(functions, name)(numbers))
    return np.where(np.isnan(values), values.dtype.type(np.nan), values)


def digest_functions(form: str) -> dict[str, str]:
    """Return the digest of each function on drawn numbers of each dtype."""
    digests = {}
    for dtype in INTEGERS:
        numbers = draw_numbers(dtype)
        digests[f"{dtype} numbers"] = _digest(np.where(np.isnan(numbers), numbers.dtype.type(np.nan), numbers))
        for name in FUNCTIONS:
            digests[f"{dtype} {name}"] = _digest(evaluate(name, form, numbers))
    return digests


def _digest(values: Array) -> str:
    return hashlib.sha256(values.dtype.str.encode() + values.tobytes()).hexdigest()[:DIGITS]
