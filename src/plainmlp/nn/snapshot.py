"""The state of a training: what the updates of a stack remember, and snapshots of single models with their digests."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.early_stopping import Best
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.randomness import generator, restore
from plainmlp.nn.recipe import Recipe

Array = NDArray[Any]


class Streams(NamedTuple):
    """The random streams of one model."""

    shuffle: np.random.Generator
    dropout: np.random.Generator


class State(NamedTuple):
    """What the updates of a stack remember from one to the next.

    Parameters
    ----------
    slots : tuple of ndarray of shape (n_models, n_parameters)
        The optimiser's memory.
    product : ndarray of shape (n_models, 1), float64
        The optimiser's running product.
    streams : tuple of Streams
        One a model; models that shuffle alike, as those of one seed do, share their shuffle stream, and so its draws.
    steps : int
        Updates done so far.
    """

    slots: tuple[Array, ...]
    product: Array
    streams: tuple[Streams, ...]
    steps: int

    @classmethod
    def of(cls, snapshots: Sequence["Snapshot"]) -> "State":
        """Return the state of models that go on from snapshots, all of one epoch."""
        slots = tuple(np.stack(arrays) for arrays in zip(*(snapshot.slots for snapshot in snapshots), strict=True))
        product = np.array([[snapshot.product] for snapshot in snapshots])
        shuffles = _restore_shared([snapshot.shuffle for snapshot in snapshots])
        dropouts = [restore(snapshot.dropout) for snapshot in snapshots]
        return cls(slots, product, tuple(map(Streams, shuffles, dropouts)), snapshots[0].steps)

    def take(self, rows: Sequence[int]) -> "State":
        """Return the state of the given models alone."""
        slots = tuple(slot[rows] for slot in self.slots)
        return State(slots, self.product[rows], tuple(self.streams[row] for row in rows), self.steps)


class Snapshot(NamedTuple):
    """All that the training of one model goes on from, after some epochs or before the first.

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

    def digest(self, previous: str = "") -> str:
        """Return the next digest of a hash chain.

        Parameters
        ----------
        previous : str
            The digest before it, in hexadecimal digits; empty for the first of the chain.

        Returns
        -------
        str
            SHA-256 over the previous digest, the parameters, the optimiser's memory (slots, running product, updates
            done) and the states of the random streams, as 64 hexadecimal digits.

        Notes
        -----
        Equal digests say that all digests before them were equal too. What early stopping and schedules remember is
        no part of it: it follows from the losses of states that are.
        """
        digest = hashlib.sha256(bytes.fromhex(previous))
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


def _restore_shared(states: Sequence[Mapping[str, Any]]) -> list[np.random.Generator]:
    """Return a generator for each state, one and the same for states that are equal."""
    generators: dict[bytes, np.random.Generator] = {}
    for state in states:
        if _stream_bytes(state) not in generators:
            generators[_stream_bytes(state)] = restore(state)
    return [generators[_stream_bytes(state)] for state in states]
