"""Scoring: what batches cost the models of a stack, and how well they are met."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.batches import Batches, Block, Examples
from plainmlp.nn.losses import LOSSES, Marks
from plainmlp.nn.network import Network, Passes, inference_rows

Array = NDArray[Any]


class Record(NamedTuple):
    """What the passes over a block leave behind for scoring.

    Parameters
    ----------
    z : ndarray of shape (n_batches, n_models, n_out, n_batch)
        The last layer's sums, as the loss's `error` leaves them.
    row : ndarray of shape (n_batches, n_models, 1, n_batch)
        What the loss's `error` keeps beside them.
    """

    z: Array
    row: Array


class Scorer:
    """Score a stack's passes with its loss.

    Parameters
    ----------
    network : Network
    target_scale : ndarray of shape (n_out,), optional
        What a regression target was divided by.
    """

    def __init__(self, network: Network, target_scale: Array | None = None) -> None:
        self._network = network
        self._options = dict(network.shape.loss_options)
        self._scale: Array | float = 1.0 if target_scale is None else target_scale[:, np.newaxis]
        self._records: dict[tuple[int, int], Record] = {}
        self._marks: dict[tuple[int, ...], Marks] = {}

    def record(self, block: Block) -> Record:
        """Return the buffers for a block, made once for each shape."""
        key = (len(block), block.batch_size)
        if key not in self._records:
            n_models, n_out = self._network.n_models, self._network.shape.layer_sizes[-1]
            dtype = self._network.parameters.dtype
            shapes = [(key[0], n_models, units, key[1]) for units in (n_out, 1)]
            self._records[key] = Record(*(np.empty(shape, dtype) for shape in shapes))
        return self._records[key]

    def measure(self, block: Block, record: Record) -> tuple[Array, Array]:
        """Return the mean cost of each batch, without penalties, and its mean score, of shape (n_batches, n_models)."""
        z, row = record
        if z.shape not in self._marks:
            self._marks[z.shape] = Marks(np.empty_like(z), *(np.empty_like(row[..., 0, :]) for _ in range(2)))
        marks = self._marks[z.shape]
        self._network.loss.mark(z, block.targets, row, self._scale, marks, **self._options)
        if block.weights is not None:
            np.multiply(marks.costs, block.weights, out=marks.costs)
        n_batch = z.shape[-1]
        scores = np.add.reduce(marks.scores, axis=-1).astype(np.float64)  # of an accuracy: exact
        return np.add.reduce(marks.costs, axis=-1) / n_batch, scores / n_batch


def mean_over_batches(parts: Sequence[Array], sizes: Array | None = None) -> Array:
    """Return the mean over all batches, of shape (n_models,), float64.

    The sum runs along contiguous rows of one model, so that it has the same bits in a stack of any size.

    Parameters
    ----------
    parts : sequence of ndarray of shape (n_batches, n_models)
    sizes : ndarray of shape (n_batches,), optional
        Samples in each batch, to weigh it with.
    """
    if sum(map(len, parts)) == 1:
        only: Array = parts[0][0].astype(np.float64)
        return only
    values = np.ascontiguousarray(np.concatenate(parts).T, dtype=np.float64)
    if sizes is None:
        sizes = np.ones(values.shape[1])
    mean: Array = np.add.reduce(values * sizes, axis=1) / sizes.sum()
    return mean


def step_metrics(
    architecture: Architecture, first: int, sizes: Array, costs: Sequence[Array], scores: Sequence[Array], *, row: int
) -> dict[str, Array]:
    """Return what each update of an epoch began from, for one model of a stack.

    Parameters
    ----------
    architecture : Architecture
    first : int
        Updates before the epoch.
    sizes : ndarray of shape (n_batches,)
        Samples in each batch.
    costs, scores : sequence of ndarray of shape (n_batches, n_models)
    row : int
        Which model.

    Returns
    -------
    dict of str to ndarray of shape (n_batches,)
        `step`, counted from 0; `loss`, the mean cost of the batch before the update, penalties included; and `accuracy`
        or, where numbers are estimated, `sum_of_squares` of the differences, over the batch and the outputs.
    """
    loss, score = (np.concatenate([part[:, row] for part in parts]) for parts in (costs, scores))
    steps = {"step": np.arange(first, first + len(sizes)), "loss": loss}
    metric = LOSSES[architecture.loss].metric
    if metric == "mean_squared_error":
        return {**steps, "sum_of_squares": score * sizes * architecture.layer_sizes[-1]}
    return {**steps, metric: score}


class Examination:
    """Loss and metric of a stack on examples that it does not learn from.

    Parameters
    ----------
    network : Network
    examples : Examples
    target_scale : ndarray of shape (n_out,), optional
        What a regression target was divided by.
    """

    def __init__(self, network: Network, examples: Examples, target_scale: Array | None = None) -> None:
        self._network = network
        self._scorer = Scorer(network, target_scale)
        self._batches = Batches(examples, network.shape.layer_sizes[-1], inference_rows(network), 1, network.n_models)
        self._passes = {size: Passes(network, size) for size in set(self._batches.sizes.tolist())}

    def run(self) -> tuple[Array, Array]:
        """Return the mean cost, without penalties, and the mean score of each model, both of shape (n_models,)."""
        costs, scores = [], []
        for block in self._batches.ordered():
            record = self._scorer.record(block)
            self._fill(block, record)
            cost, score = self._scorer.measure(block, record)
            costs.append(cost)
            scores.append(score)
        sizes = self._batches.sizes
        return mean_over_batches(costs, sizes), mean_over_batches(scores, sizes)

    def _fill(self, block: Block, record: Record) -> None:
        passes = self._passes[block.batch_size]
        options = dict(self._network.shape.loss_options)
        for inputs, targets, z, row in zip(block.inputs, block.targets, *record, strict=True):
            passes.forward(inputs, z)
            self._network.loss.error(z, targets, passes.z, row, **options)
