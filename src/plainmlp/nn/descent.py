"""Descent in plain NumPy: the updates of a network, a batch at a time, and what it says of samples between them."""

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.arithmetic import Array, absolute, select, square_root
from plainmlp.nn.batches import Block
from plainmlp.nn.losses import LOSSES, l1_slope, link
from plainmlp.nn.network import Batch, Network, Passed
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.products import add_in_pairs, blocks, total
from plainmlp.nn.randomness import draw_order
from plainmlp.nn.recipe import Recipe

quiet = np.errstate(all="ignore")  # branches that `select` does not take may overflow


class Start(NamedTuple):
    """What a descent begins with.

    Parameters
    ----------
    architecture : Architecture
    recipe : Recipe
    parameters : ndarray of shape (n_parameters,), float32 or float64
        All weights, layer by layer, each of shape (n_in, n_out), then all biases. Their dtype is that of all arithmetic.
    slots : tuple of ndarray of shape (n_parameters,), default ()
        The optimiser's memory.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by.
    threads : int, default 1
        That may share the work of an update where it is large enough to gain by it.
    """

    architecture: Architecture
    recipe: Recipe
    parameters: Array
    slots: tuple[Array, ...] = ()
    target_scale: Array | None = None
    threads: int = 1


class Steps(NamedTuple):
    """What the updates of a block began from.

    Parameters
    ----------
    losses : ndarray of shape (n_batches,), of the network's dtype
        The mean cost of each batch before its update, penalties included.
    scores : ndarray of shape (n_batches,), of the network's dtype
        The sum of the scores of each batch.
    gradient_norm : float
        Of the last gradient, before clipping; 0 where it was not asked for.
    """

    losses: Array
    scores: Array
    gradient_norm: float


class Descent(Protocol):
    """One network and its optimiser: in plain NumPy, compiled, or in the hands of another library.

    Attributes
    ----------
    parameters : ndarray of shape (n_parameters,)
        The descent's own; they change with each update.
    slots : tuple of ndarray of shape (n_parameters,)
        The optimiser's memory, which changes too.
    """

    parameters: Array
    slots: tuple[Array, ...]

    def descend(
        self, block: Block, coefficients: Array, draws: Array, *, learning_rate: float, measures_norm: bool
    ) -> Steps:
        """Make an update a batch.

        Parameters
        ----------
        block : Block
        coefficients : ndarray of shape (n_batches, n_coefficients), of the network's dtype
            The optimiser's, of each update.
        draws : ndarray of shape (n_hidden_units * n_samples,), of the network's dtype
            Uniform in [0, 1): what dropout decides by, for each batch (n_hidden_units, batch_size); empty where there is
            none.
        learning_rate : float
            That the coefficients are made with; another library takes it alone.
        measures_norm : bool
            Whether the norm of the last gradient is asked for.
        """

    def measure(self, block: Block) -> tuple[Array, Array]:
        """Return what the rows of a block cost and score, without penalties, in their order.

        Returns
        -------
        costs, scores : ndarray of shape (n_blocks,), of the network's dtype
            Sums over each block of 256 samples.
        """

    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in): probabilities, or values."""

    def alive(self, block: Block, watched: Array) -> Array:
        """Return for each hidden unit, and after them each output, whether it is above zero for any row of a block.

        Parameters
        ----------
        block : Block
        watched : ndarray of bool
            The units that are asked for; the others count as alive.
        """

    def draw_order(self, generator: np.random.Generator, n_samples: int) -> Array:
        """Return a random order of the samples, as `plainmlp.nn.randomness.draw_order` draws it."""


class PlainDescent:
    """The definition of an update, in plain NumPy; see `Descent` for its methods."""

    def __init__(self, start: Start) -> None:
        self._recipe, self._architecture = start.recipe, start.architecture
        self.parameters, self.slots = start.parameters.copy(), tuple(slot.copy() for slot in start.slots)
        self.network = Network(start.architecture, self.parameters, start.target_scale)
        self._optimizer = OPTIMIZERS[start.recipe.optimizer]
        self._weights = self.parameters[: start.architecture.n_weights]

    @quiet
    def descend(
        self, block: Block, coefficients: Array, draws: Array, *, learning_rate: float, measures_norm: bool
    ) -> Steps:
        """Make an update a batch."""
        dtype = self.parameters.dtype
        losses, scores = np.empty((2, block.n_batches), dtype)
        norm = dtype.type(0)
        for number in range(block.n_batches):
            passed = self.differentiate(block, number, draws)
            gradient = passed.gradient
            losses[number], scores[number] = passed.cost, passed.score
            if np.isfinite(self._recipe.clip_norm) or (measures_norm and number + 1 == block.n_batches):
                norm = square_root(total(gradient * gradient))
            if norm > self._recipe.clip_norm:
                gradient *= dtype.type(self._recipe.clip_norm) / norm
            self._update(gradient, coefficients[number])
        return Steps(losses, scores, float(norm))

    def differentiate(self, block: Block, number: int, draws: Array) -> Passed:
        """Return the mean cost of a batch with the penalties, the gradient of that, and the sum of the scores."""
        inputs, targets, shares = block.batch(number)
        batch_size = len(shares)
        factor = self.parameters.dtype.type(1 / batch_size)
        if draws.size:
            n_units = sum(self._architecture.layer_sizes[1:-1])
            draws = draws[n_units * number * block.batch_size :][: n_units * batch_size].reshape(n_units, batch_size)
        passed = []
        for samples in blocks(batch_size):
            masks = self._masks(draws[:, samples]) if draws.size else None
            part = Batch(inputs[:, samples], targets[..., samples], shares[samples], masks)
            passed.append(self.network.differentiate(part, factor))
        gradient, cost, score = map(add_in_pairs, zip(*passed, strict=True))
        return Passed(gradient, cost / gradient.dtype.type(batch_size) + self._penalize(gradient), score)

    def _masks(self, draws: Array) -> list[Array]:
        """Return 0 for what dropout leaves out of each layer, and 1 / (1 - rate) for the rest."""
        rate, kept = (draws.dtype.type(value) for value in (self._recipe.dropout, 1 / (1 - self._recipe.dropout)))
        ends = np.cumsum(self._architecture.layer_sizes[1:-1])
        return np.split(select(draws < rate, 0, np.full_like(draws, kept)), ends[:-1])

    def _penalize(self, gradient: Array) -> Array:
        """Return l1 sum |w| + l2 / 2 sum w^2 over the weights, and add l1 sign(w) + l2 w to their gradient."""
        weights, of_weights = self._weights, gradient[: len(self._weights)]
        l1, l2 = (weights.dtype.type(rate) for rate in (self._recipe.l1, self._recipe.l2))
        cost = weights.dtype.type(0)
        if l2:
            cost = cost + l2 * (weights.dtype.type(0.5) * total(weights * weights))
            of_weights += l2 * weights
        if l1:
            cost = cost + l1 * total(absolute(weights))
            of_weights += l1_slope(weights, l1)
        return cost

    def _update(self, gradient: Array, coefficients: Array) -> None:
        *others, last = coefficients
        if self._optimizer.decays_weights:
            self._weights *= last
        else:
            others.append(last)
        updated = self._optimizer.update(self.parameters, gradient, *self.slots, *others)
        for array, values in zip((self.parameters, *self.slots), updated, strict=True):
            array[:] = values

    @quiet
    def measure(self, block: Block) -> tuple[Array, Array]:
        """Return what the rows of a block cost and score, without penalties, in their order."""
        costs, scores = [], []
        whole = replace(block, batch_size=len(block.rows)).batch(0)
        for samples in blocks(len(block.rows)):
            inputs, targets, shares = (array[..., samples] for array in whole)
            _, z = self.network.forward(inputs)
            assessment = self.network.assess(z, targets)
            costs.append(total(assessment.costs * shares))
            scores.append(total(assessment.scores))
        return np.array(costs), np.array(scores)

    @quiet
    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in): probabilities, or values."""
        results = np.empty((len(inputs), self._architecture.layer_sizes[-1]), self.parameters.dtype)
        for samples in blocks(len(inputs)):
            _, z = self.network.forward(np.ascontiguousarray(inputs[samples].T))
            results[samples] = link(self._architecture.loss, z).T
        return results

    @quiet
    def alive(self, block: Block, watched: Array) -> Array:
        """Return for each hidden unit, and after them each output, whether it is above zero for any row of a block."""
        found = ~watched
        inputs, _, _ = replace(block, batch_size=len(block.rows)).batch(0)
        for samples in blocks(len(block.rows)):
            hidden, z = self.network.forward(inputs[:, samples])
            values = np.concatenate([*(layer.output for layer in hidden), z])
            found |= ~(values <= 0).all(axis=1)
        return found

    def draw_order(self, generator: np.random.Generator, n_samples: int) -> Array:
        """Return a random order of the samples."""
        return draw_order(generator, n_samples)


def can_die(architecture: Architecture) -> Array:
    """Return for each hidden unit, and after them each output, whether it can die: pass on zeros and learn no more."""
    of_layers = [ACTIVATIONS[name].can_die for name in architecture.activations] + [LOSSES[architecture.loss].can_die]
    return np.repeat(of_layers, architecture.layer_sizes[1:])
