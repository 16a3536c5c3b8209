"""Examples, and the blocks of batches in which an epoch is handed out."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import Array

BLOCK_WORK = 1 << 30  # multiplications of a product in a block: so that Ctrl-C is heard soon
BLOCK_NUMBERS = 1 << 21  # inputs from a file, or draws for dropout, in a block


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
    """Batches, one after another.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, n_in), contiguous, of the network's dtype
    targets : ndarray
        Class indices (n_rows,), int64, or values (n_rows, n_out), contiguous, of the network's dtype.
    weights : ndarray of shape (n_rows,), of the network's dtype; empty where all samples count the same
    rows : ndarray of shape (n_samples,), int64
        Which rows the samples of the batches are.
    batch_size : int
        Samples in a batch; the last batch holds what is left.
    """

    inputs: Array
    targets: Array
    weights: Array
    rows: Array
    batch_size: int

    @property
    def n_batches(self) -> int:
        """Return the number of batches."""
        return -(-len(self.rows) // self.batch_size)

    @cached_property
    def flat(self) -> tuple[Array, Array, Array, Array, Array]:
        """Return inputs, class indices, values, weights and rows in one dimension, read-only; empty if there are none."""
        classes, values = self.targets, np.empty(0, self.inputs.dtype)
        if self.targets.ndim == 2:
            classes, values = np.empty(0, np.int64), self.targets.reshape(-1)
        arrays = self.inputs.reshape(-1), classes, values, self.weights, self.rows
        return tuple(map(read_only, arrays))  # type: ignore[return-value]

    def batch(self, number: int) -> tuple[Array, Array, Array]:
        """Return inputs (n_in, n_samples), targets and shares of a batch, units before samples."""
        rows = self.rows[number * self.batch_size : (number + 1) * self.batch_size]
        targets = self.targets[rows]
        shares = self.weights[rows] if len(self.weights) else np.ones(len(rows), self.inputs.dtype)
        return np.ascontiguousarray(self.inputs[rows].T), targets.T, shares


def batch_sizes(n_samples: int, batch_size: int) -> Array:
    """Return the number of samples in each batch, of shape (n_batches,)."""
    sizes = np.full(-(-n_samples // batch_size), batch_size)
    sizes[-1] = n_samples - (len(sizes) - 1) * batch_size
    return sizes


def read_only(array: Array) -> Array:
    """Return an array that cannot be written, or such a view of it."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


class Batches:
    """The batches of an epoch.

    Parameters
    ----------
    examples : Examples
    n_out : int
        Output units.
    batch_size : int
        Samples in a batch; the last batch of an epoch holds what is left.
    row_work : int
        Multiplications that a sample costs in a pass forward.
    row_draws : int, default 0
        Numbers that are drawn for each sample.

    Raises
    ------
    ValueError
        A class index is not that of an output.
    """

    def __init__(self, examples: Examples, n_out: int, batch_size: int, row_work: int, row_draws: int = 0) -> None:
        inputs, targets, weights = examples
        is_classes = targets.ndim == 1
        if is_classes and not 0 <= targets.min() <= targets.max() < n_out:
            message = f"class indices from {targets.min()} to {targets.max()} do not fit {n_out} outputs"
            raise ValueError(message)
        self.batch_size, self.n_samples, self._dtype = batch_size, len(inputs), inputs.dtype
        self._is_stored = not isinstance(inputs, np.ndarray)
        self._inputs = inputs if self._is_stored else read_only(np.ascontiguousarray(inputs))
        self._targets = read_only(np.ascontiguousarray(targets, None if is_classes else self._dtype))
        self._weights = read_only(np.empty(0, self._dtype) if weights is None else weights.astype(self._dtype))
        numbers = max(inputs.shape[1] if self._is_stored else 0, row_draws)
        rows = min(BLOCK_WORK // row_work, BLOCK_NUMBERS // max(numbers, 1))
        self._block_rows = max(1, rows // batch_size) * batch_size
        self._few_rows = read_only(np.arange(min(self._block_rows, self.n_samples)))
        self._in_order: dict[tuple[int, int], Block] = {}  # views of arrays in memory, made once

    def blocks(self, n_batches: int, order: Array | None = None) -> Iterator[Block]:
        """Yield the first batches of an epoch, in the order of the rows or in a given one, of shape (n_samples,)."""
        end = min(n_batches * self.batch_size, self.n_samples)
        for start in range(0, end, self._block_rows):
            place = start, min(start + self._block_rows, end)
            if order is None and not self._is_stored:
                if place not in self._in_order:
                    self._in_order[place] = self._block(*place, None)
                yield self._in_order[place]
            else:
                yield self._block(*place, order)

    def _block(self, start: int, stop: int, order: Array | None) -> Block:
        places: Any = slice(start, stop) if order is None else order[start:stop]
        inputs, targets, weights = self._inputs, self._targets, self._weights
        if order is not None and not self._is_stored:
            rows = places.astype(np.int64, copy=False)
        else:  # these rows alone
            inputs = inputs[places] if order is None else np.take(inputs, places, axis=0)
            targets, rows = targets[places], self._few_rows[: stop - start]
            weights = weights[places] if len(weights) else weights
        if targets.ndim == 1:
            targets = targets.astype(np.int64, copy=False)
        return Block(np.ascontiguousarray(inputs), targets, weights, rows, self.batch_size)


def limit_epochs(n_samples: int, batch_size: int, epochs: int, max_steps: int | None) -> tuple[int, int, int]:
    """Return how many epochs a training has, how many batches each, and how many the last of them.

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
    return whole + 1, n_batches, last + 1
