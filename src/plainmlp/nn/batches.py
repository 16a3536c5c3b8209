"""An epoch, handed out in blocks of batches that are gathered together.

A block is as many batches as fit a small buffer. Gathering and scoring a whole block at once costs a small network one
call where it would cost one a batch; a large network's block is a single batch that stays in the cache.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK_BYTES = 1 << 19
BLOCK_BATCHES = 128


class Examples(NamedTuple):
    """What a network learns from.

    Parameters
    ----------
    inputs : ndarray of shape (n_samples, n_in), of the network's dtype
        May be a memory map.
    targets : ndarray
        Class indices of shape (n_samples,), an integer dtype; else values of shape (n_samples, n_out).
    weights : ndarray of shape (n_samples,), optional
        How much each sample counts; a mean of 1 keeps the size of the steps.
    """

    inputs: Array
    targets: Array
    weights: Array | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """Batches of one size; the axes are (batch in the block, model, unit, sample in the batch).

    A `model` axis of length 1 means that all models see the same batch. `weights` has no unit axis.
    """

    inputs: Array
    targets: Array
    weights: Array | None

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.inputs)

    def factors(self) -> Array | list[float]:
        """Return for each batch what its samples count in their mean."""
        size = self.inputs.shape[-1]
        return [1 / size] * len(self) if self.weights is None else self.weights[:, :, np.newaxis] / size


def _unit_rows(examples: Examples, n_out: int) -> Array:
    """Return targets by unit: an identity matrix to pick class columns from, or the values transposed."""
    dtype = examples.inputs.dtype
    if examples.targets.ndim == 1:
        return np.eye(n_out, dtype=dtype)
    return np.ascontiguousarray(examples.targets.T, dtype=dtype)


class Batches:
    """Blocks of batches of some examples.

    Parameters
    ----------
    examples : Examples
    n_out : int
        Output units.
    batch_size : int
        Samples in a batch; the last batch of an epoch holds what is left.
    n_orders : int
        Orders of the samples that there will be: one a model, or 1 for all the same.
    n_models : int
        Models in the stack.
    """

    def __init__(self, examples: Examples, n_out: int, batch_size: int, n_orders: int, n_models: int) -> None:
        weights = None if examples.weights is None else examples.weights.astype(examples.inputs.dtype)
        self.examples = examples._replace(weights=weights)
        self.batch_size = min(batch_size, len(examples.inputs))
        self.n_orders = n_orders
        self._unit_rows = _unit_rows(examples, n_out)
        row_bytes = (examples.inputs.shape[1] * n_orders + n_out * n_models) * examples.inputs.itemsize
        fitting = BLOCK_BYTES // max(row_bytes * self.batch_size, 1)
        self.block_batches = min(max(fitting, 1), BLOCK_BATCHES, max(len(examples.inputs) // self.batch_size, 1))
        self._buffers: dict[tuple[int, ...], Array] = {}
        self._only_block: Block | None = None
        self._limit = -(-len(examples.inputs) // self.batch_size)

    def first(self, n_batches: int) -> "Batches":
        """Return the first batches of an epoch alone, with the buffers of all; all of them where there are no more."""
        if n_batches >= self.steps:
            return self
        limited = copy(self)
        limited._limit, limited._only_block = n_batches, None
        return limited

    @cached_property
    def sizes(self) -> Array:
        """Return the number of samples in each batch of an epoch."""
        n_samples = len(self.examples.inputs)
        sizes: Array = np.minimum(self.batch_size, n_samples - np.arange(0, n_samples, self.batch_size))
        return sizes[: self._limit]

    @property
    def steps(self) -> int:
        """Return the number of batches in an epoch."""
        return self._limit

    def ordered(self) -> Iterator[Block]:
        """Yield the epoch's blocks in the order of the data; inputs are copied only where they are one small block."""
        if self._only_block is not None:
            yield self._only_block
            return
        for start, n_batches, size in self._spans():
            rows = slice(start, start + n_batches * size)
            inputs = self.examples.inputs[rows].reshape(n_batches, 1, size, -1)
            indices = np.arange(rows.start, rows.stop).reshape(n_batches, 1, size)
            is_only = indices.size == len(self.examples.inputs)
            if is_only and inputs.nbytes <= BLOCK_BYTES:  # read in every epoch: quicker with one unit after another
                inputs = np.ascontiguousarray(inputs.swapaxes(2, 3)).swapaxes(2, 3)
            block = self._block(inputs, indices)
            if is_only:
                self._only_block = block
            yield block

    def shuffled(self, orders: Array) -> Iterator[Block]:
        """Yield the epoch's blocks in the given order of rows, of shape (n_orders, n_samples)."""
        for start, n_batches, size in self._spans():
            indices = orders[:, start : start + n_batches * size].reshape(-1, n_batches, size).swapaxes(0, 1)
            inputs = self._buffer(n_batches, self.n_orders, size)
            # with mode="clip" numpy writes straight into `out`
            np.take(self.examples.inputs, indices, axis=0, out=inputs, mode="clip")
            yield self._block(inputs, indices)

    def _spans(self) -> Iterator[tuple[int, int, int]]:
        """Yield the start, number of batches and batch size of each block."""
        n_full, left = divmod(len(self.examples.inputs), self.batch_size)
        is_whole, n_full = n_full < self._limit, min(n_full, self._limit)
        for first in range(0, n_full, self.block_batches):
            yield first * self.batch_size, min(self.block_batches, n_full - first), self.batch_size
        if left and is_whole:
            yield n_full * self.batch_size, 1, left

    def _buffer(self, *shape: int) -> Array:
        """Return the buffer for a block's inputs, made once for each shape."""
        if shape not in self._buffers:
            inputs = self.examples.inputs
            self._buffers[shape] = np.empty((*shape, inputs.shape[1]), inputs.dtype)
        return self._buffers[shape]

    def _block(self, inputs: Array, indices: Array) -> Block:
        """Return a block with the targets and weights of some rows, `indices` being (batch, model, sample)."""
        picked = self.examples.targets[indices] if self.examples.targets.ndim == 1 else indices
        targets = np.ascontiguousarray(np.take(self._unit_rows, picked, axis=1).transpose(1, 2, 0, 3))
        weights = None if self.examples.weights is None else self.examples.weights[indices]
        return Block(inputs.swapaxes(2, 3), targets, weights)


def draw_orders(generators: Sequence[np.random.Generator], n_samples: int) -> Array:
    """Return a random order of the samples for each generator, of shape (n_generators, n_samples)."""
    return np.stack([generator.permutation(n_samples) for generator in generators])


def limit_epochs(n_samples: int, batch_size: int, epochs: int, max_steps: int | None) -> tuple[int, int]:
    """Return how many epochs a training has, and how many batches the last of them.

    Parameters
    ----------
    n_samples, batch_size, epochs : int
        At least 1.
    max_steps : int, optional
        At least 1: the most steps, one a batch; the last epoch is cut short there.
    """
    n_batches = -(-n_samples // batch_size)
    steps = epochs * n_batches if max_steps is None else min(max_steps, epochs * n_batches)
    whole, last = divmod(steps - 1, n_batches)
    return whole + 1, last + 1
