"""An epoch, handed out in blocks of batches that are scored together.

A block is as many batches as fit a small buffer. Scoring a whole block at once costs a small network one call where it
would cost one a batch. Inputs are gathered a few batches at a time, so that those of a large network stay in the cache.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BLOCK_BYTES = 1 << 19
BLOCK_BATCHES = 128
AHEAD_BYTES = 1 << 24  # of inputs from a file


class Examples(NamedTuple):
    """What a network learns from.

    Parameters
    ----------
    inputs : ndarray of shape (n_samples, n_in), of the network's dtype
        Or what can stand in for it: it has a shape and a dtype, and gives rows by slices and by `numpy.take`.
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
    """Batches of one size; a `model` axis of length 1 means that all models see the same batch.

    Parameters
    ----------
    inputs : iterable of ndarray of shape (model, unit, sample in the batch)
        One a batch; those of most blocks are gathered or read on the way, so that they can be read once.
    targets : ndarray of shape (batch, model, unit, sample in the batch)
        Holds until the next block.
    weights : ndarray of shape (batch, model, sample in the batch), optional
    """

    inputs: Iterable[Array]
    targets: Array
    weights: Array | None

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.targets)

    @property
    def batch_size(self) -> int:
        """Return the number of samples in each batch."""
        size: int = self.targets.shape[-1]
        return size

    def factors(self) -> Array | list[float]:
        """Return for each batch what its samples count in their mean."""
        if self.weights is None:
            return [1 / self.batch_size] * len(self)
        return self.weights[:, :, np.newaxis] / self.batch_size


class _Ahead:
    """The inputs of the batches to come, where they are read from a file: many rows at a time cost less."""

    def __init__(self, inputs: Array, orders: Array) -> None:
        self._inputs, self._orders = inputs, orders
        self._length = max(1, AHEAD_BYTES // (len(orders) * inputs.shape[1] * inputs.itemsize))
        self._start = self._stop = 0
        self._rows = np.empty((0, 0, 0))

    def batches(self, start: int, n_batches: int, size: int) -> Iterator[Array]:
        """Yield the inputs of batches that begin at a place in the orders, each (model, unit, sample)."""
        for first in range(start, start + n_batches * size, size):
            if first + size > self._stop:
                self._start, self._stop = first, first + max(size, self._length)
                self._rows = np.empty((0, 0, 0))  # before the next ones are there
                self._rows = np.take(self._inputs, self._orders[:, first : self._stop], axis=0)
            yield self._rows[:, first - self._start : first - self._start + size].swapaxes(1, 2)


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

    Raises
    ------
    ValueError
        A class index is not that of an output.
    """

    def __init__(self, examples: Examples, n_out: int, batch_size: int, n_orders: int, n_models: int) -> None:
        dtype = examples.inputs.dtype
        weights = None if examples.weights is None else examples.weights.astype(dtype, copy=False)
        is_classes = examples.targets.ndim == 1
        if is_classes and not 0 <= examples.targets.min() <= examples.targets.max() < n_out:
            message = f"class indices from {examples.targets.min()} to {examples.targets.max()} for {n_out} outputs"
            raise ValueError(message)
        # classes are compared with this column, which makes a row of zeros and ones of each; small numbers are quickest
        self._classes = np.arange(n_out, dtype=np.min_scalar_type(n_out - 1))[:, np.newaxis]
        targets = examples.targets.astype(self._classes.dtype if is_classes else dtype, copy=False)
        self.examples = Examples(examples.inputs, targets, weights)
        self.batch_size = min(batch_size, len(examples.inputs))
        n_full = len(examples.inputs) // self.batch_size
        self._block_batches = min(self._fitting(n_out * n_models), BLOCK_BATCHES, n_full)
        self._gathered_batches = min(self._fitting(examples.inputs.shape[1] * n_orders), self._block_batches)
        self._buffers: dict[tuple[str, tuple[int, ...]], Array] = {}
        self._only_block: Block | None = None
        starts = np.arange(0, len(examples.inputs), self.batch_size)
        self._sizes: Array = np.minimum(self.batch_size, len(examples.inputs) - starts)

    def _fitting(self, row_values: int) -> int:
        """Return how many batches fit a buffer, at least one."""
        return max(BLOCK_BYTES // max(row_values * self.examples.inputs.itemsize * self.batch_size, 1), 1)

    def first(self, n_batches: int) -> "Batches":
        """Return the first batches of an epoch alone, with the buffers of all; all of them where there are no more."""
        if n_batches >= self.steps:
            return self
        limited = copy(self)
        limited._sizes, limited._only_block = self._sizes[:n_batches], None
        return limited

    @property
    def sizes(self) -> Array:
        """Return the number of samples in each batch of an epoch."""
        return self._sizes

    @property
    def steps(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._sizes)

    def ordered(self) -> Iterator[Block]:
        """Yield the epoch's blocks in the order of the data; inputs are copied only where they are one small block."""
        if self._only_block is not None:
            yield self._only_block
            return
        n_samples, n_in = self.examples.inputs.shape
        for start, n_batches, size in self._spans():
            indices = np.arange(start, start + n_batches * size).reshape(n_batches, 1, size)
            if indices.size == n_samples and n_samples * n_in * self.examples.inputs.itemsize <= BLOCK_BYTES:
                # read in every epoch: quicker with one unit after another
                inputs = np.stack(list(self._read(start, n_batches, size)))
                self._only_block = self._block(inputs, indices)
                yield self._only_block
            else:
                yield self._block(self._read(start, n_batches, size), indices)

    def _read(self, start: int, n_batches: int, size: int) -> Iterator[Array]:
        """Yield the inputs of batches that lie side by side."""
        for first in range(0, n_batches, self._gathered_batches):
            n_read = min(self._gathered_batches, n_batches - first)
            rows = slice(start + first * size, start + (first + n_read) * size)
            yield from self.examples.inputs[rows].reshape(n_read, 1, size, -1).swapaxes(2, 3)

    def shuffled(self, orders: Array) -> Iterator[Block]:
        """Yield the epoch's blocks in the given order of rows, of shape (n_orders, n_samples)."""
        ahead = None if isinstance(self.examples.inputs, np.ndarray) else _Ahead(self.examples.inputs, orders)
        for start, n_batches, size in self._spans():
            indices = orders[:, start : start + n_batches * size].reshape(-1, n_batches, size).swapaxes(0, 1)
            yield self._block(
                self._gather(indices) if ahead is None else ahead.batches(start, n_batches, size), indices
            )

    def _gather(self, indices: Array) -> Iterator[Array]:
        """Yield the inputs of each batch, `indices` being (batch, model, sample)."""
        for first in range(0, len(indices), self._gathered_batches):
            rows = indices[first : first + self._gathered_batches]
            yield from self._take("inputs", self.examples.inputs, rows).swapaxes(2, 3)

    def _spans(self) -> Iterator[tuple[int, int, int]]:
        """Yield the start, number of batches and batch size of each block."""
        n_full = int(np.count_nonzero(self._sizes == self.batch_size))
        for first in range(0, n_full, self._block_batches):
            yield first * self.batch_size, min(self._block_batches, n_full - first), self.batch_size
        if n_full < self.steps:
            yield n_full * self.batch_size, 1, int(self._sizes[-1])

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return a buffer that is made once for each shape."""
        if (name, shape) not in self._buffers:
            self._buffers[name, shape] = np.empty(shape, dtype)
        return self._buffers[name, shape]

    def _take(self, name: str, source: Array, indices: Array) -> Array:
        """Return rows of an array in a buffer."""
        out = self._buffer(name, (*indices.shape, *source.shape[1:]), source.dtype)
        return np.take(source, indices, axis=0, out=out, mode="clip")  # which lets numpy write straight into `out`

    def _block(self, inputs: Iterable[Array], indices: Array) -> Block:
        """Return a block with the targets and weights of some rows, `indices` being (batch, model, sample)."""
        taken = self._take("targets", self.examples.targets, indices)
        shape = (*indices.shape[:2], len(self._classes), indices.shape[2])
        targets = self._buffer("targets by unit", shape, self.examples.inputs.dtype)
        if taken.ndim == indices.ndim:
            np.equal(taken[:, :, np.newaxis], self._classes, out=targets)
        else:
            np.copyto(targets, taken.swapaxes(2, 3))
        weights = self.examples.weights
        return Block(inputs, targets, None if weights is None else self._take("weights", weights, indices))


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
