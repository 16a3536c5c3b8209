"""Descent: the updates of one epoch, for all models of a stack at once."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.batches import Batches, Block
from plainmlp.nn.gradient import Gradient
from plainmlp.nn.network import Network
from plainmlp.nn.optimizers import OPTIMIZERS, Buffers
from plainmlp.nn.options import fill_options
from plainmlp.nn.orders import draw_orders
from plainmlp.nn.penalty import Penalty
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.scoring import Record, Scorer, mean_over_batches, step_metrics
from plainmlp.nn.snapshot import Snapshot, State

Array = NDArray[Any]


class Run(NamedTuple):
    """What one epoch's updates came to: arrays of shape (n_models,), and (row, step) of each loss that broke down.

    Parameters
    ----------
    steps : callable (*, row) -> dict of str to ndarray of shape (n_batches,)
        Returns what each update of one model began from, as `plainmlp.nn.scoring.step_metrics` has it.
    """

    loss: Array
    score: Array
    gradient_norm: Array
    diverged: list[tuple[int, int]]
    steps: Callable[..., dict[str, Array]]


class Descent:
    """The updates of a stack of networks.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    recipes : sequence of Recipe
        One a model, all with the same optimiser.
    state : State, optional
        That of the same models in an earlier descent; without it, this is the start.

    Raises
    ------
    ValueError
        Where the recipes are not one a model, or do not have one optimiser.
    """

    def __init__(self, network: Network, recipes: Sequence[Recipe], state: State | None = None) -> None:
        _check_recipes(network, recipes)
        if state is None:
            state = State.of(list(map(Snapshot.initial, network.parameters, recipes)))
        self.network, self._recipes, self._streams, self._steps = network, tuple(recipes), state.streams, state.steps
        parameters = network.parameters
        weights = parameters[:, : network.shape.n_weights]
        gradients, scratch = np.empty_like(parameters), np.empty_like(parameters)
        self._weight_gradients = gradients[:, : network.shape.n_weights]
        self._buffers = Buffers(parameters, weights, gradients, state.slots, scratch, state.product)
        self._optimizer = OPTIMIZERS[recipes[0].optimizer]
        self._settings = {
            name: _column([fill_options(self._optimizer.options, r.optimizer_options)[name] for r in recipes])
            for name in self._optimizer.options
        }
        dtype = parameters.dtype
        self._penalty = Penalty(
            _column([r.l1 for r in recipes], dtype), _column([r.l2 for r in recipes], dtype), weights
        )
        self._clip_norm = _column([r.clip_norm for r in recipes], dtype)
        self._clips = bool(np.isfinite(self._clip_norm).any())
        self._dropout = any(recipe.dropout for recipe in recipes)
        self._passes: dict[int, Gradient] = {}
        self._gradient_norm = np.zeros((network.n_models, 1), dtype)

    @property
    def state(self) -> State:
        """Return what the updates remember; its arrays change with the next ones."""
        return State(self._buffers.slots, self._buffers.product, self._streams, self._steps)

    @property
    def n_orders(self) -> int:
        """Return how many orders of the samples a shuffled epoch has: one a model, or 1 where all share a stream."""
        return self.network.n_models if len({id(stream.shuffle) for stream in self._streams}) > 1 else 1

    def take(self, rows: Sequence[int]) -> "Descent":
        """Return the descent of the given models alone."""
        rows = list(rows)
        return Descent(self.network.take(rows), [self._recipes[row] for row in rows], self.state.take(rows))

    def run(self, batches: Batches, learning_rates: Array, shuffle: bool, scorer: Scorer) -> Run:
        """Make the updates of one epoch.

        Parameters
        ----------
        batches : Batches
        learning_rates : ndarray of shape (n_models,)
        shuffle : bool
            Whether each model takes the samples in a new random order.
        scorer : Scorer
        """
        before = self._steps
        costs, scores = [], []
        for block in self._blocks(batches, shuffle):
            record = scorer.record(block)
            penalties = self._descend(block, record, learning_rates[:, np.newaxis], before + batches.steps)
            cost, score = scorer.measure(block, record)
            costs.append(cost + penalties)
            scores.append(score)
        diverged = list(self._diverged(np.concatenate(costs), before))
        norms = self._gradient_norm[:, 0].astype(np.float64)
        steps = partial(step_metrics, self.network.shape, before, batches.sizes, costs, scores)
        return Run(mean_over_batches(costs), mean_over_batches(scores, batches.sizes), norms, diverged, steps)

    def _blocks(self, batches: Batches, shuffle: bool) -> Iterable[Block]:
        if not shuffle:
            return batches.ordered()
        return batches.shuffled(draw_orders([s.shuffle for s in self._streams], len(batches.examples.inputs)))

    def _descend(self, block: Block, record: Record, learning_rates: Array, last_step: int) -> Array:
        """Make the updates of a block and return the penalties before each, of shape (n_batches, n_models)."""
        passes = self._gradient(block.batch_size)
        penalties = np.zeros((len(block), self.network.n_models), self.network.parameters.dtype)
        scale = learning_rates.astype(penalties.dtype) if self._optimizer.takes_steps else None
        factors = block.factors() if scale is None else [factor * scale[..., np.newaxis] for factor in block.factors()]
        coefficients = self._coefficients(len(block), learning_rates)
        is_penalized, update = self._penalty.is_used, self._optimizer.update
        batches = zip(block.inputs, block.targets, factors, *record, coefficients, strict=True)
        for batch, (inputs, targets, factor, z, row, columns) in enumerate(batches):
            if self._dropout:
                self._draw_masks(passes)
            passes.forward(inputs, z)
            passes.backward(inputs, targets, factor, z, row)
            self._steps += 1
            if is_penalized:
                penalties[batch] = self._penalty.cost()
                self._penalty.add_gradient(self._weight_gradients, 1.0 if scale is None else scale)
            if self._clips or self._steps == last_step:
                self._clip(scale)
            update(self._buffers, *columns)
        return penalties

    def _gradient(self, n_batch: int) -> Gradient:
        """Return the passes for a batch size, made once."""
        if n_batch not in self._passes:
            gradients = self._buffers.gradients
            self._passes[n_batch] = Gradient(self.network, n_batch, self._dropout, gradients=gradients)
        return self._passes[n_batch]

    def _coefficients(self, n_steps: int, learning_rates: Array) -> list[tuple[Array, ...]]:
        """Return what the optimiser needs in each of the next steps beside the gradients."""
        steps = np.arange(self._steps + 1, self._steps + n_steps + 1, dtype=np.float64).reshape(-1, 1, 1)
        settings = {**self._settings, "learning_rate": learning_rates}
        columns = self._optimizer.coefficients(settings, steps, self._buffers.product)
        dtype = self.network.parameters.dtype
        return list(zip(*(column.astype(dtype) for column in columns), strict=True)) or [()] * n_steps

    def _draw_masks(self, passes: Gradient) -> None:
        """Draw which hidden units a step leaves out; a model without dropout draws nothing."""
        masks = [hidden.mask for hidden in passes.hidden if hidden.mask is not None]
        for layer in masks:
            for mask, recipe, streams in zip(layer, self._recipes, self._streams, strict=True):
                if recipe.dropout == 0:
                    mask.fill(1)
                    continue
                streams.dropout.random(dtype=mask.dtype.type, out=mask)
                np.greater_equal(mask, recipe.dropout, out=mask)
                np.divide(mask, 1 - recipe.dropout, out=mask)

    def _clip(self, scale: Array | None) -> None:
        """Measure the norms of the gradients, without their scale, and shorten those that are longer than allowed."""
        gradients, scratch, norm = self._buffers.gradients, self._buffers.scratch, self._gradient_norm
        np.divide(gradients, 1.0 if scale is None else scale, out=scratch)
        np.multiply(scratch, scratch, out=scratch)
        np.add.reduce(scratch, axis=1, keepdims=True, out=norm)
        np.sqrt(norm, out=norm)
        if self._clips:
            np.multiply(gradients, np.where(norm > self._clip_norm, self._clip_norm / norm, 1), out=gradients)

    def _diverged(self, costs: Array, before: int) -> Iterable[tuple[int, int]]:
        """Yield (row, step) of each model with a loss, or at the end a parameter, that is not finite."""
        finite, parameters = np.isfinite(costs), np.isfinite(self.network.parameters)
        if finite.all() and parameters.all():
            return
        whole = parameters.all(axis=1)
        for row in np.flatnonzero(~(finite.all(axis=0) & whole)):
            batch = int(finite[:, row].argmin()) if not finite[:, row].all() else len(costs) - 1
            yield int(row), before + batch


def _check_recipes(network: Network, recipes: Sequence[Recipe]) -> None:
    names = {recipe.optimizer for recipe in recipes}
    if len(names) > 1 or len(recipes) != network.n_models:
        message = f"a stack of {network.n_models} needs a recipe a model and one optimizer, not {sorted(names)}"
        raise ValueError(message)


def _column(values: Sequence[float], dtype: np.dtype[Any] | type = np.float64) -> Array:
    """Return one value a model, of shape (n_models, 1)."""
    return np.array(values, dtype)[:, np.newaxis]
