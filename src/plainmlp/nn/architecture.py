"""What a network is made of, and where its layers lie in a buffer of parameters."""

from dataclasses import dataclass
from itertools import pairwise

from plainmlp.nn.arithmetic import Array


@dataclass(frozen=True)
class Architecture:
    """What one network is made of.

    Parameters
    ----------
    layer_sizes : tuple of int
        Units of each layer: inputs, any number of hidden layers, outputs.
    activations : tuple of str
        A name in ACTIVATIONS for each hidden layer.
    loss : str
        A name in LOSSES; it also decides the link of the last layer.
    loss_options : tuple of (str, float)
        Options of that loss.
    bias : bool, default True
        Whether every layer has biases.
    """

    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    loss_options: tuple[tuple[str, float], ...] = ()
    bias: bool = True

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Return (n_in, n_out) of each layer of weights."""
        return list(pairwise(self.layer_sizes))

    @property
    def n_weights(self) -> int:
        """Return how many weights there are, biases not counted."""
        return sum(n_in * n_out for n_in, n_out in self.shapes)

    @property
    def n_parameters(self) -> int:
        """Return how many parameters there are."""
        return self.n_weights + (sum(self.layer_sizes[1:]) if self.bias else 0)


@dataclass(frozen=True, eq=False)
class Layers:
    """Views of a network's parameters: all weights first, then all biases.

    Parameters
    ----------
    weights : list of ndarray of shape (n_in, n_out)
    biases : list of ndarray of shape (n_out,); empty without biases
    """

    weights: list[Array]
    biases: list[Array]


def view_layers(parameters: Array, architecture: Architecture) -> Layers:
    """Return the views of each layer's weights and biases in an array of shape (n_parameters,)."""
    start, weights, biases = 0, [], []
    for n_in, n_out in architecture.shapes:
        weights.append(parameters[start : start + n_in * n_out].reshape(n_in, n_out))
        start += n_in * n_out
    for n_out in architecture.layer_sizes[1:] if architecture.bias else ():
        biases.append(parameters[start : start + n_out])
        start += n_out
    return Layers(weights, biases)
