"""A peer: one network whose loss, gradients and updates come from one library."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.recipe import Recipe

Array = NDArray[Any]


class Start(NamedTuple):
    """What a network begins with.

    Parameters
    ----------
    architecture : Architecture
    recipe : Recipe
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
        learning_rate : float
        """

    def parameters(self) -> Array:
        """Return the parameters, of shape (n_parameters,), in the order of `Start.parameters`."""


def split_layers(parameters: Array, architecture: Architecture) -> tuple[list[Array], list[Array]]:
    """Return copies of the weights, each (n_out, n_in), and of the biases, each (n_out,), of a network."""
    layers = view_layers(parameters[np.newaxis], architecture)
    return [weight[0].copy() for weight in layers.weights], [bias[0, :, 0].copy() for bias in layers.biases]


def join_layers(weights: Sequence[Array], biases: Sequence[Array]) -> Array:
    """Return weights, each (n_out, n_in), and biases as one array of shape (n_parameters,)."""
    return np.concatenate([np.ravel(layer) for layer in (*weights, *biases)])


def paper_epsilon(recipe: Recipe, step: int) -> float:
    """Return what makes the short form of Adam that many libraries have the one of the paper.

    Notes
    -----
    Kingma and Ba (2015) divide by sqrt(v / (1 - b2^t)) + eps in Algorithm 1, which is ours; in the short form, by
    sqrt(v) + eps', which is the same where eps' = eps sqrt(1 - b2^t).
    """
    options = recipe.optimizer_options
    return float(options["epsilon"] * np.sqrt(1 - options["beta2"] ** step))
