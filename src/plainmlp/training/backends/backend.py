"""A peer: one network whose loss, gradients and updates come from one library."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.batches import Block
from plainmlp.nn.descent import Descent, Measured, Steps
from plainmlp.nn.network import Network
from plainmlp.nn.products import total
from plainmlp.nn.recipe import Recipe

Array = NDArray[Any]


class Start(NamedTuple):
    """What a network begins with.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,), float32 or float64
        In the order of `plainmlp.nn.network.Network`; its dtype is that of all arithmetic.
    threads : int, default 1
        How many the library may use within one operation.
    """

    architecture: Architecture
    recipe: Recipe
    parameters: Array
    threads: int = 1


class Step(NamedTuple):
    """What one update began from.

    Parameters
    ----------
    loss : float
        The mean cost of the batch before the update, penalties included.
    sums : ndarray of shape (n_batch, n_out)
        What the last layer gave before its link.
    gradients : ndarray of shape (n_parameters,)
        Of that cost.
    """

    loss: float
    sums: Array
    gradients: Array


class Peer(Protocol):
    """A network in the hands of a library."""

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update.

        Parameters
        ----------
        inputs : ndarray of shape (n_batch, n_in)
        targets : ndarray of shape (n_batch, n_out)
            Classes as rows of an identity matrix.
        weights : ndarray of shape (n_batch,), optional
            What each sample counts.
        """

    def parameters(self) -> Array:
        """Return the parameters, of shape (n_parameters,), in the order of `Start.parameters`."""


def split_layers(parameters: Array, architecture: Architecture) -> tuple[list[Array], list[Array]]:
    """Return copies of the weights, each (n_out, n_in), and of the biases, each (n_out,), of a network."""
    layers = view_layers(parameters, architecture)
    return [weight.T.copy() for weight in layers.weights], [bias.copy() for bias in layers.biases]


def join_layers(weights: Sequence[Array], biases: Sequence[Array]) -> Array:
    """Return weights, each (n_out, n_in), and biases as one array of shape (n_parameters,)."""
    return np.concatenate([*(np.transpose(weight).ravel() for weight in weights), *biases])


def paper_epsilon(recipe: Recipe, step: int) -> float:
    """Return what makes the short form of Adam that many libraries have the one of the paper.

    Notes
    -----
    Kingma and Ba (2015) divide by sqrt(v / (1 - b2^t)) + eps in Algorithm 1, which is ours; in the short form, by
    sqrt(v) + eps', which is the same where eps' = eps sqrt(1 - b2^t).
    """
    options = recipe.optimizer_options
    return float(options["epsilon"] * np.sqrt(1 - options["beta2"] ** step))


class PeerDescent:
    """A network in the hands of a library, as `plainmlp.nn.training.Training` trains one; see `plainmlp.nn.descent.Descent`.

    Parameters
    ----------
    peer : Peer
        Made from `start`.
    own : Descent
        Our own network, which measures what the library has trained.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by.
    """

    slots: tuple[Array, ...] = ()

    def __init__(self, peer: Peer, own: Descent, start: Start, target_scale: Array | None) -> None:
        self._peer, self._own, self._start = peer, own, start
        self.parameters = own.parameters
        self._network = Network(start.architecture, own.parameters, target_scale)

    def descend(
        self, block: Block, coefficients: Array, draws: Array, *, learning_rate: float, measures_norm: bool
    ) -> Steps:
        """Make an update a batch."""
        from threadpoolctl import threadpool_limits

        losses, scores, norm = np.empty(block.n_batches), np.empty(block.n_batches), 0.0
        with threadpool_limits(limits=self._start.threads, user_api="blas"):
            for number in range(block.n_batches):
                inputs, targets, shares = block.batch(number)
                rows = self._rows(targets)
                weights = shares if len(block.weights) else None
                step = self._peer.step(np.ascontiguousarray(inputs.T), rows, weights, learning_rate)
                assessment = self._network.assess(np.ascontiguousarray(step.sums.T), targets)
                losses[number], scores[number] = step.loss, total(assessment.scores)
                norm = float(np.linalg.norm(step.gradients))
        self.parameters[:] = self._peer.parameters()
        return Steps(losses, scores, norm)

    def _rows(self, targets: Array) -> Array:
        """Return targets as rows, classes as those of an identity matrix."""
        if targets.ndim == 2:
            return np.ascontiguousarray(targets.T)
        return np.eye(self._start.architecture.layer_sizes[-1], dtype=self.parameters.dtype)[targets]

    def measure(self, block: Block) -> Measured:
        """Return what the rows of a block cost, in their order, without penalties."""
        return self._own.measure(block)

    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in)."""
        return self._own.outputs(inputs)

    def alive(self, block: Block, watched: Array) -> Array:
        """Return for each hidden unit, and after them each output, whether it is above zero for any row of a block."""
        return self._own.alive(block, watched)

    def draw_order(self, generator: np.random.Generator, n_samples: int) -> Array:
        """Return a random order of the samples."""
        return self._own.draw_order(generator, n_samples)
