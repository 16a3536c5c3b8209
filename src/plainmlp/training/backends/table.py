"""The backends: the library of each, the settings that it supports, and its network in training."""

from collections.abc import Collection, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.batches import Block
from plainmlp.nn.descent import Descent, Start, Steps
from plainmlp.nn.network import Network
from plainmlp.nn.products import total
from plainmlp.nn.recipe import Recipe
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

Array = NDArray[Any]

OWN_BACKEND = "numpy"


class Backend(NamedTuple):
    """A library and the settings that it supports as we define them.

    Parameters
    ----------
    library : str
        The module that must be installed.
    extra : str
        The extra of this package that installs it.
    activations, losses, optimizers : collection of str
        Names in our tables whose formula the library has too.
    steady_optimizers : collection of str
        Those of `optimizers` that keep the learning rate in their memory, so that it must not change.
    free_form : bool, default True
        Whether layers may differ in activation or have no biases, samples may differ in weight, and l1 may be used.
    """

    library: str
    extra: str
    activations: Collection[str]
    losses: Collection[str]
    optimizers: Collection[str]
    steady_optimizers: Collection[str] = ()
    free_form: bool = True


_COMMON = ("identity", "relu", "sigmoid", "tanh")
_SMOOTH = (*_COMMON, "leaky_relu", "elu", "selu", "softplus", "silu", "gelu")
_LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")
_STEADY = ("momentum", "nesterov")

BACKENDS: dict[str, Backend] = {
    "sklearn": Backend("sklearn", "", _COMMON, _LOSSES, ("sgd", *_STEADY, "adam"), _STEADY, free_form=False),
    "torch": Backend(
        "torch",
        "torch",
        _SMOOTH,
        (*_LOSSES, "absolute_error", "huber", "relu_squared_error"),
        ("sgd", *_STEADY, "adagrad", "rmsprop", "adam", "adamw", "nadam"),
    ),
    "tensorflow": Backend("tensorflow", "tensorflow", _SMOOTH, _LOSSES, ("sgd", *_STEADY, "adam")),
    "keras": Backend("keras", "keras", _SMOOTH, _LOSSES, ("sgd", *_STEADY, "adam", "adamw"), _STEADY),
}


class Step(NamedTuple):
    """What was measured before one update.

    Parameters
    ----------
    loss : float
        The mean cost of the batch before the update, penalties included.
    sums : ndarray of shape (batch_size, n_out)
        The last layer's sums, before its link.
    gradients : ndarray of shape (n_parameters,)
        Of that cost.
    """

    loss: float
    sums: Array
    gradients: Array


class BackendNetwork(Protocol):
    """A network in the hands of a library."""

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update.

        Parameters
        ----------
        inputs : ndarray of shape (batch_size, n_in)
        targets : ndarray of shape (batch_size, n_out)
            Classes as rows of an identity matrix.
        weights : ndarray of shape (batch_size,), optional
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
    """Return the epsilon with which the short form of Adam, common in libraries, equals the paper's.

    Notes
    -----
    Kingma and Ba (2015) divide by sqrt(v / (1 - b2^t)) + eps in Algorithm 1, which is ours; in the short form, by
    sqrt(v) + eps', which is the same for eps' = eps sqrt(1 - b2^t).
    """
    options = recipe.optimizer_options
    return float(options["epsilon"] * np.sqrt(1 - options["beta2"] ** step))


def make_network(name: str, start: Start) -> BackendNetwork:
    """Return a network in the hands of a library."""
    backend = BACKENDS[name]
    if find_spec(backend.library) is None:
        message = (
            f"backend={name} needs {backend.library}, which is not installed: "
            f"pip install -e '.[{backend.extra}]' at the root of the repository"
        )
        raise InputError(message)
    network: BackendNetwork = import_module(f"plainmlp.training.backends.{name}").NETWORK(start)
    return network


def check_backend(name: str, start: Start, *, weighted: bool) -> None:
    """Refuse settings that a library does not support as we define them."""
    backend, architecture, recipe = BACKENDS[name], start.architecture, start.recipe
    _check(name, "optimizer.name", recipe.optimizer, backend.optimizers)
    _check(name, "model.loss", architecture.loss, backend.losses)
    for activation in architecture.activations:
        _check(name, "model.activation", activation, backend.activations)
    _check(name, "model.dropout", recipe.dropout, (0.0,))
    _check(name, "optimizer.clip_norm", recipe.clip_norm, (float("inf"),), "null")
    if recipe.optimizer in backend.steady_optimizers:
        _check(name, f"optimizer.schedule with {recipe.optimizer}", recipe.schedule, ("constant",))
    if not backend.free_form:
        activations = list(architecture.activations)
        _check(name, "model.activation", activations, (activations[:1] * len(activations),), "one for all layers")
        _check(name, "model.bias", architecture.bias, (True,), "true")
        _check(name, "model.l1", recipe.l1, (0.0,))
        _check(name, "sample or class weights", weighted, (False,), "none")


def _check(name: str, key: str, value: object, allowed: Collection[object], words: str = "") -> None:
    if value not in allowed:
        words = words or ", ".join(map(str, allowed))
        message = f"{key}={shown(value)} is not possible with backend={name}; it must be {words}"
        raise InputError(message)


class BackendDescent:
    """A network in the hands of a library, as `plainmlp.nn.training.Training` trains one; see `plainmlp.nn.descent.Descent`.

    Parameters
    ----------
    network : BackendNetwork
        Made from `start`.
    own : Descent
        Our own network, which measures what the library has trained.
    """

    slots: tuple[Array, ...] = ()

    def __init__(self, network: BackendNetwork, own: Descent, start: Start) -> None:
        self._trained, self._start = network, start
        self.parameters = own.parameters
        self.measure, self.outputs, self.alive, self.draw_order = own.measure, own.outputs, own.alive, own.draw_order
        self._measured = Network(start.architecture, own.parameters, start.target_scale)

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
                step = self._trained.step(np.ascontiguousarray(inputs.T), rows, weights, learning_rate)
                assessment = self._measured.assess(np.ascontiguousarray(step.sums.T), targets)
                losses[number], scores[number] = step.loss, total(assessment.scores)
                norm = float(np.linalg.norm(step.gradients))
        self.parameters[:] = self._trained.parameters()
        return Steps(losses, scores, norm)

    def _rows(self, targets: Array) -> Array:
        """Return targets as rows, classes as those of an identity matrix."""
        if targets.ndim == 2:
            return np.ascontiguousarray(targets.T)
        return np.eye(self._start.architecture.layer_sizes[-1], dtype=self.parameters.dtype)[targets]
