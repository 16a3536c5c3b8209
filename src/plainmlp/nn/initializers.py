"""Initialisers: the weights that a layer starts from.

Only standard draws are taken from NumPy: how its compilers round a mean and a scale is not the same everywhere.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.options import Option, fill_options
from plainmlp.nn.randomness import generator

Array = NDArray[np.float64]
Draw = Callable[..., Array]


class Initializer(NamedTuple):
    """How to draw a layer's weights, and the options of the draw.

    Parameters
    ----------
    draw : callable (generator, n_out, n_in, **options) -> ndarray of shape (n_out, n_in), float64
    options : mapping of str to Option
    """

    draw: Draw
    options: Mapping[str, Option] = {}


def _zeros(generator: np.random.Generator, n_out: int, n_in: int) -> Array:
    return np.zeros((n_out, n_in))


def _normal(generator: np.random.Generator, n_out: int, n_in: int, *, mean: float, standard_deviation: float) -> Array:
    return mean + standard_deviation * generator.standard_normal((n_out, n_in))


def _truncated_normal(
    generator: np.random.Generator, n_out: int, n_in: int, *, mean: float, standard_deviation: float
) -> Array:
    """Draw from a normal distribution again and again until nothing is beyond two standard deviations."""
    values = generator.standard_normal((n_out, n_in))
    while (beyond := np.abs(values) > 2).any():
        values[beyond] = generator.standard_normal(np.count_nonzero(beyond))
    return mean + standard_deviation * values


def _uniform(generator: np.random.Generator, n_out: int, n_in: int, *, low: float, high: float) -> Array:
    return low + (high - low) * generator.random((n_out, n_in))


def _scaled(shape: str, variance: Callable[[int, int], float]) -> Draw:
    """Return a draw whose variance is a function of (n_out, n_in)."""

    def draw(generator: np.random.Generator, n_out: int, n_in: int) -> Array:
        deviation = float(np.sqrt(variance(n_out, n_in)))
        if shape == "normal":
            return _normal(generator, n_out, n_in, mean=0.0, standard_deviation=deviation)
        limit = deviation * float(np.sqrt(3))
        return _uniform(generator, n_out, n_in, low=-limit, high=limit)

    return draw


def _lecun(n_out: int, n_in: int) -> float:
    """Var(w) = 1 / n_in (LeCun et al., 1998)."""
    return 1 / n_in


def _glorot(n_out: int, n_in: int) -> float:
    """Var(w) = 2 / (n_in + n_out) (Glorot and Bengio, 2010)."""
    return 2 / (n_in + n_out)


def _he(n_out: int, n_in: int) -> float:
    """Var(w) = 2 / n_in (He et al., 2015)."""
    return 2 / n_in


def _fan_out(n_out: int, n_in: int) -> float:
    """Var(w) = 1 / n_out."""
    return 1 / n_out


_MOMENTS = {"mean": Option(0.0), "standard_deviation": Option(1.0, minimum=0)}

INITIALIZERS: dict[str, Initializer] = {
    "zeros": Initializer(_zeros),
    "normal": Initializer(_normal, _MOMENTS),
    "truncated_normal": Initializer(_truncated_normal, _MOMENTS),
    "uniform": Initializer(_uniform, {"low": Option(-0.05), "high": Option(0.05)}),
    "normal_fan_out": Initializer(_scaled("normal", _fan_out)),
    "lecun_normal": Initializer(_scaled("normal", _lecun)),
    "lecun_uniform": Initializer(_scaled("uniform", _lecun)),
    "glorot_normal": Initializer(_scaled("normal", _glorot)),
    "glorot_uniform": Initializer(_scaled("uniform", _glorot)),
    "he_normal": Initializer(_scaled("normal", _he)),
    "he_uniform": Initializer(_scaled("uniform", _he)),
}


def draw_weights(name: str, options: Mapping[str, Any], generator: np.random.Generator, n_out: int, n_in: int) -> Array:
    """Draw the weights of one layer.

    Parameters
    ----------
    name : str
        A name in INITIALIZERS.
    options : mapping of str to float
        Options of that entry; those left out have their defaults.
    generator : numpy.random.Generator
        Source of every draw.
    n_out, n_in : int
        Units of the layer and of the layer before it.

    Returns
    -------
    ndarray of shape (n_out, n_in), float64
    """
    entry = INITIALIZERS[name]
    return entry.draw(generator, n_out, n_in, **fill_options(entry.options, options))


def draw_parameters(
    architecture: Architecture,
    seed: int,
    *,
    weights: tuple[str, Mapping[str, Any]] = ("auto", {}),
    biases: tuple[str, Mapping[str, Any]] = ("zeros", {}),
) -> Array:
    """Draw the parameters that a network starts from.

    Parameters
    ----------
    seed : int
        At least 0.
    weights, biases : tuple of str and mapping
        A name in INITIALIZERS and its options; `auto` takes for each layer what suits the activation behind it.

    Returns
    -------
    ndarray of shape (n_parameters,), float64
        Rounded to float32 they are where a network of that dtype starts.
    """
    parameters = np.empty(architecture.n_parameters)
    layers = view_layers(parameters, architecture)
    stream = generator(seed, "initial weights")
    for layer, following in zip(layers.weights, (*architecture.activations, "identity"), strict=True):
        name, options = (ACTIVATIONS[following].initializer, {}) if weights[0] == "auto" else weights
        layer[:] = draw_weights(name, options, stream, *reversed(layer.shape)).T
    stream = generator(seed, "initial biases")
    for layer in layers.biases:
        layer[:] = draw_weights(*biases, stream, len(layer), 1)[:, 0]
    return parameters
