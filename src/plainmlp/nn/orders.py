"""Orders: the random sequences in which epochs take the samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MANY_ROWS = 1 << 20  # numpy indexes with int64, and turns other numbers into those on the way


def draw_orders(generators: Sequence[np.random.Generator], n_samples: int) -> Array:
    """Return a random order of the samples for each generator, of shape (n_generators, n_samples).

    The order of generators that are one and the same is drawn once; where all are, `n_generators` is 1.
    """
    orders = row_numbers(n_samples)[np.newaxis]
    if len(set(generators)) > 1:
        orders = np.repeat(orders, len(generators), axis=0)
    drawn: dict[np.random.Generator, Array] = {}
    for generator, order in zip(generators, orders, strict=False):
        if generator in drawn:
            order[...] = drawn[generator]
        else:
            generator.shuffle(order)  # the draws of `permutation`
            drawn[generator] = order
    return orders


def row_numbers(n_samples: int) -> Array:
    """Return 0 to n_samples - 1: as int32 where they are very many, since int64 numbers alone would fill memory."""
    return np.arange(n_samples, dtype=np.int32 if MANY_ROWS <= n_samples <= 1 << 31 else np.int64)
