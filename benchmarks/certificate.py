"""The parity certificate: how far the loss and gradients of another library are from ours, step by step."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.batches import Block
from plainmlp.nn.descent import PlainDescent, Start
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import fill_options
from plainmlp.nn.randomness import generator
from plainmlp.nn.recipe import Recipe
from plainmlp.training.backends.table import BACKENDS, Array, BackendNetwork, Step

STEPS = 100
LARGEST_DIFFERENCE = 1e-10


class NumpyNetwork:
    """Our own network as a backend's, an update at a time by the definition of every training.

    Parameters
    ----------
    start : Start
    """

    def __init__(self, start: Start) -> None:
        self._optimizer, self._recipe = OPTIMIZERS[start.recipe.optimizer], start.recipe
        slots = tuple(np.zeros_like(start.parameters) for _ in range(self._optimizer.n_slots))
        self._descent = PlainDescent(start._replace(slots=slots))
        self._architecture, self._steps, self._product = start.architecture, 0, 1.0

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update."""
        is_classes = LOSSES[self._architecture.loss].pointwise is None
        block = Block(
            inputs,
            targets.argmax(axis=1) if is_classes else targets,
            np.empty(0) if weights is None else weights,
            np.arange(len(inputs)),
            len(inputs),
        )
        nothing = np.empty(0)
        _, sums = self._descent.network.forward(inputs.T)
        gradient = self._descent.differentiate(block, 0, nothing).gradient
        self._steps += 1
        settings = {**self._recipe.optimizer_options, "learning_rate": learning_rate}
        columns, self._product = self._optimizer.coefficients(settings, np.array([float(self._steps)]), self._product)
        coefficients = np.array([[float(np.squeeze(column)) for column in columns]])
        made = self._descent.descend(block, coefficients, nothing, learning_rate=learning_rate, measures_norm=False)
        return Step(float(made.losses[0]), sums.T, gradient)

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return self._descent.parameters.copy()


class Workload(NamedTuple):
    """A network, how it is trained, and what it learns from.

    Parameters
    ----------
    architecture : Architecture
    learning_rates : tuple of (float, float)
        Of plain gradient descent and its momentum forms, and of the optimisers that scale each parameter's step.
    batch_size : int
    draw : callable (generator, n_samples) -> (inputs, targets)
        Returns float64 arrays with a row a sample; classes as rows of an identity matrix.
    l2 : float, default 0
    """

    architecture: Architecture
    learning_rates: tuple[float, float]
    batch_size: int
    draw: Callable[[np.random.Generator, int], tuple[Array, Array]]
    l2: float = 0.0


class Parity(NamedTuple):
    """What a comparison found: for each step the relative difference of the loss and of the gradients."""

    loss: list[float]
    gradients: list[float]

    @property
    def largest(self) -> float:
        """Return the largest of all differences; a NaN counts as infinite."""
        return float(np.nan_to_num(np.array([*self.loss, *self.gradients]), nan=np.inf).max())


def _clusters(stream: np.random.Generator, n_samples: int) -> tuple[Array, Array]:
    """Draw points around (0, 0), (1, 4) and (2, 8), with the variances of the clusters that the published code means."""
    classes = stream.integers(3, size=n_samples)
    return stream.normal(size=(n_samples, 2)) + np.array([[0, 0], [1, 4], [2, 8]])[classes], np.eye(3)[classes]


def _pixels(stream: np.random.Generator, n_samples: int) -> tuple[Array, Array]:
    """Draw sparse images of 28 x 28 grey levels with a class each: parity asks nothing of what they show."""
    levels = stream.random((n_samples, 784)) * (stream.random((n_samples, 784)) < 0.2)
    return levels, np.eye(10)[stream.integers(10, size=n_samples)]


def _sine_and_cosine(stream: np.random.Generator, n_samples: int) -> tuple[Array, Array]:
    x = stream.random((n_samples, 1))
    return x, np.hstack([np.sin(x), np.cos(x)])


WORKLOADS: dict[str, Workload] = {
    "clusters 2-5-3": Workload(
        Architecture((2, 5, 3), ("relu",), "cross_entropy"), (0.01, 0.001), 100, _clusters, l2=0.01
    ),
    "mnist 784-128-64-10": Workload(
        Architecture((784, 128, 64, 10), ("sigmoid",) * 2, "cross_entropy"), (0.01, 0.001), 64, _pixels
    ),
    "sincos 1-16-2": Workload(Architecture((1, 16, 2), ("relu",), "squared_error"), (0.1, 0.001), 32, _sine_and_cosine),
}


def certify(
    workload: Workload, optimizer: str, make: Callable[[Start], BackendNetwork], n_steps: int = STEPS, seed: int = 0
) -> Parity:
    """Train a network twice, on ours and on another library, from the same weights and batches.

    Parameters
    ----------
    workload : Workload
    optimizer : str
        A name in OPTIMIZERS.
    make : callable (start) -> BackendNetwork
        Returns the network in the hands of that library.
    n_steps : int, default 100
    seed : int, default 0
        Of the weights and the data.

    Returns
    -------
    Parity
        The difference of two losses is relative to the larger one; that of two gradients is the largest over all
        parameters, relative to the largest entry of both.
    """
    start = _start(workload, optimizer, seed)
    ours, theirs = NumpyNetwork(start), make(start)
    inputs, targets = workload.draw(generator(seed, "parity"), n_steps * workload.batch_size)
    found = Parity([], [])
    for step in range(n_steps):
        rows = slice(step * workload.batch_size, (step + 1) * workload.batch_size)
        one, other = (p.step(inputs[rows], targets[rows], None, start.recipe.learning_rate) for p in (ours, theirs))
        found.loss.append(_difference(np.array([one.loss]), np.array([other.loss])))
        found.gradients.append(_difference(one.gradients, other.gradients))
    return found


def certificates(
    backends: Sequence[str], make: Callable[[str, Start], BackendNetwork]
) -> Iterator[tuple[str, str, str, Parity]]:
    """Yield (workload, backend, optimiser, parity) for each optimiser that a library has too.

    Parameters
    ----------
    backends : sequence of str
        Names in BACKENDS.
    make : callable (backend, start) -> BackendNetwork
    """
    for name, workload in WORKLOADS.items():
        for backend in backends:
            for optimizer in BACKENDS[backend].optimizers:
                yield name, backend, optimizer, certify(workload, optimizer, partial(make, backend))


def _start(workload: Workload, optimizer: str, seed: int) -> Start:
    """Return weights N(0, 1 / n_in), biases N(0, 0.01), so that no gradient is zero by symmetry."""
    parameters = np.empty(workload.architecture.n_parameters)
    layers, stream = view_layers(parameters, workload.architecture), generator(seed, "initial weights")
    for weights in layers.weights:
        weights[:] = stream.normal(0, len(weights) ** -0.5, weights.shape)
    for biases in layers.biases:
        biases[:] = stream.normal(0, 0.1, biases.shape)
    options = fill_options(OPTIMIZERS[optimizer].options, {})
    rate = workload.learning_rates[optimizer not in _PLAIN]
    recipe = Recipe(seed=seed, optimizer=optimizer, learning_rate=rate, optimizer_options=options, l2=workload.l2)
    return Start(workload.architecture, recipe, parameters)


_PLAIN = ("sgd", "momentum", "nesterov")


def _difference(ours: Array, theirs: Array) -> float:
    """Return the largest difference, relative to the largest entry of both."""
    return float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), np.abs(theirs).max(), np.finfo(float).tiny))
