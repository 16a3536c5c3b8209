"""Random streams, each named for its purpose, so that a new one never shifts an old one."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np


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
