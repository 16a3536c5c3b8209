"""Examples, and the blocks of batches in which an epoch is handed out."""

from collections.abc import Iterator
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


class Block(NamedTuple):
    """Batches of one size, one after another.

    Parameters
    ----------
    inputs : ndarray of shape (n_rows, n_in), contiguous, of the network's dtype
    targets : ndarray
        Class indices (n_rows,), int64, or values (n_rows, n_out), contiguous, of the network's dtype.
    weights : ndarray of shape (n_rows,), of the network's dtype; empty where all samples count the same
    rows : ndarray of shape (n_batches * batch_size,), int64
        Which rows the samples of each batch are.
    batch_size : int
    """

    inputs: Array
    targets: Array
    weights: Array
    rows: Array
    batch_size: int

    @property
    def n_batches(self) -> int:
        """Return the number of batches."""
        return len(self.rows) // self.batch_size

    def batch(self, number: int) -> tuple[Array, Array, Array]:
        """Return inputs (n_in, n_samples), targets and shares of a batch, units before samples."""
        rows = self.rows[number * self.batch_size : (number + 1) * self.batch_size]
        targets = self.targets[rows]
        shares = self.weights[rows] if len(self.weights) else np.ones(len(rows), self.inputs.dtype)
        return np.ascontiguousarray(self.inputs[rows].T), targets.T, shares


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
        self._inputs = inputs if self._is_stored else np.ascontiguousarray(inputs)
        self._targets = np.ascontiguousarray(targets, None if is_classes else self._dtype)
        self._weights = np.empty(0, self._dtype) if weights is None else weights.astype(self._dtype)
        numbers = max(inputs.shape[1] if self._is_stored else 0, row_draws)
        rows = min(BLOCK_WORK // row_work, BLOCK_NUMBERS // max(numbers, 1), self.n_samples)
        self._block_batches = max(1, rows // batch_size)

    def sizes(self, n_batches: int) -> Array:
        """Return the number of samples in each of the first batches."""
        ends = np.minimum(np.arange(1, n_batches + 1) * self.batch_size, self.n_samples)
        return np.diff(ends, prepend=0)

    def blocks(self, n_batches: int, order: Array | None = None) -> Iterator[Block]:
        """Yield the first batches of an epoch, in the order of the rows or in a given one, of shape (n_samples,)."""
        n_full = min(n_batches, self.n_samples // self.batch_size)
        for first in range(0, n_full, self._block_batches):
            last = min(first + self._block_batches, n_full)
            yield self._block(first * self.batch_size, last * self.batch_size, self.batch_size, order)
        if n_full < n_batches:
            start = n_full * self.batch_size
            yield self._block(start, self.n_samples, self.n_samples - start, order)

    def _block(self, start: int, stop: int, batch_size: int, order: Array | None) -> Block:
        places: Any = slice(start, stop) if order is None else order[start:stop]
        inputs, targets, weights = self._inputs, self._targets, self._weights
        if order is not None and not self._is_stored:
            rows = places.astype(np.int64)
        else:  # these rows alone
            inputs = inputs[places] if order is None else np.take(inputs, places, axis=0)
            targets, rows = targets[places], np.arange(stop - start)
            weights = weights[places] if len(weights) else weights
        if targets.ndim == 1:
            targets = targets.astype(np.int64, copy=False)
        return Block(np.ascontiguousarray(inputs), targets, weights, rows, batch_size)


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
