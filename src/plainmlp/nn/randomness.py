"""Random streams, each named for its purpose, so that a new one never shifts an old one."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from plainmlp.nn.arithmetic import Array

MANY_ROWS = 1 << 20  # numpy indexes with int64, and turns other numbers into those on the way


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose under one seed.

    Parameters
    ----------
    seed : int
        At least 0.
    purpose : str
        Such as "initial weights", "shuffle" or "dropout"; its SHA-256 enters the seed sequence.

    Examples
    --------
    >>> float(generator(0, "shuffle").random()) == float(generator(0, "shuffle").random())
    True
    >>> float(generator(0, "shuffle").random()) == float(generator(0, "dropout").random())
    False
    """
    words = np.frombuffer(hashlib.sha256(purpose.encode()).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *(int(word) for word in words)])))


def restore(state: Mapping[str, Any]) -> np.random.Generator:
    """Return a generator that goes on from a state, as `generator(...).bit_generator.state` has it.

    Examples
    --------
    >>> first = generator(0, "shuffle")
    >>> second = restore(first.bit_generator.state)
    >>> float(first.random()) == float(second.random())
    True
    """
    bits = np.random.PCG64(0)
    bits.state = cast("Any", state)
    return np.random.Generator(bits)


def row_numbers(n_samples: int) -> Array:
    """Return 0 to n_samples - 1: as int32 where they are very many, since int64 numbers alone would fill memory."""
    return np.arange(n_samples, dtype=np.int32 if MANY_ROWS <= n_samples <= 1 << 31 else np.int64)


def draw_order(generator: np.random.Generator, n_samples: int) -> Array:
    """Return a random order of the samples, of shape (n_samples,)."""
    order = row_numbers(n_samples)
    generator.shuffle(order)  # the draws of `permutation`
    return order
