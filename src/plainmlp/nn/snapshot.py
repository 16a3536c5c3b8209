"""A snapshot: the whole state of a training between two epochs, and its digest."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.early_stopping import Best
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.randomness import generator
from plainmlp.nn.recipe import Recipe


class Snapshot(NamedTuple):
    """All that a training goes on from, after some epochs or before the first.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
    slots : tuple of ndarray of shape (n_parameters,)
        The optimiser's memory.
    product : float
        The optimiser's running product.
    shuffle, dropout : mapping
        The states of the random streams, as `numpy.random.PCG64.state` has them.
    steps : int
        Updates done so far.
    losses : sequence of float
        What the schedule was told after each epoch.
    best : Best
        What early stopping remembers.
    """

    parameters: Array
    slots: tuple[Array, ...]
    product: float
    shuffle: Mapping[str, Any]
    dropout: Mapping[str, Any]
    steps: int
    losses: Sequence[float]
    best: Best

    @classmethod
    def initial(cls, parameters: Array, recipe: Recipe) -> "Snapshot":
        """Return the snapshot before the first epoch.

        Parameters
        ----------
        parameters : ndarray of shape (n_parameters,)
            The first ones.
        recipe : Recipe
        """
        slots = tuple(np.zeros_like(parameters) for _ in range(OPTIMIZERS[recipe.optimizer].n_slots))
        shuffle, dropout = (generator(recipe.seed, purpose).bit_generator.state for purpose in ("shuffle", "dropout"))
        return cls(parameters, slots, 1.0, shuffle, dropout, steps=0, losses=(), best=Best())

    @property
    def epochs(self) -> int:
        """Return how many epochs are done."""
        return len(self.losses)

    def digest(self) -> str:
        """Return the SHA-256 of all that the updates go on from, as 64 hexadecimal digits.

        It covers the parameters, the optimiser's memory (slots, running product, updates done) and the states of the
        random streams. What early stopping and schedules remember follows from the losses of such states.
        """
        digest = hashlib.sha256()
        for array in (self.parameters, *self.slots):
            digest.update(array.data)
        digest.update(struct.pack("<dQ", self.product, self.steps))
        digest.update(_stream_bytes(self.shuffle) + _stream_bytes(self.dropout))
        return digest.hexdigest()


def _stream_bytes(state: Mapping[str, Any]) -> bytes:
    """Return the state of a PCG64 generator as 37 bytes."""
    numbers = state["state"]
    words: bytes = numbers["state"].to_bytes(16, "little") + numbers["inc"].to_bytes(16, "little")
    return words + struct.pack("<BI", state["has_uint32"], state["uinteger"])
