"""Random streams, each named for its purpose, so that a new one never shifts an old one."""

import hashlib

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
