"""A stack of networks of one shape: their parameters, and the pass forward through all of them at once.

One network is a stack of one. `np.matmul` over a stack gives the bits of the separate products, and everything else
is elementwise or sums along one model's rows, so a network's numbers do not depend on which others are beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.activations import ACTIVATIONS, Activation
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.losses import LOSSES, Loss

Array = NDArray[Any]
Call = Callable[[], object]

# in one pass over data that is only read: enough to be fast, small enough to stay in the cache
INFERENCE_ROWS, INFERENCE_VALUES = 1024, 1 << 15


class Segment(NamedTuple):
    """A run of models in the stack that have the same activation in one layer."""

    rows: slice
    activation: Activation


class Network:
    """A stack of networks of one shape, in one buffer.

    Parameters
    ----------
    architectures : sequence of Architecture
        One a model; they may differ in their activations only. Models with the same activations
        should stand side by side: each run of them costs one call.
    parameters : ndarray of shape (n_models, n_parameters), float32 or float64
        For each model all weights, layer by layer, each of shape (n_out, n_in), then all biases.

    Raises
    ------
    ValueError
        Where the models do not have one shape, or the buffer has another.
    """

    def __init__(self, architectures: Sequence[Architecture], parameters: Array) -> None:
        self.architectures = tuple(architectures)
        self.shape = first = self.architectures[0]
        for other in self.architectures:
            if (other.layer_sizes, other.loss, other.loss_options, other.bias) != (
                first.layer_sizes,
                first.loss,
                first.loss_options,
                first.bias,
            ):
                message = f"a stack needs models of one shape and loss, not {first} beside {other}"
                raise ValueError(message)
        if parameters.shape != (len(self.architectures), first.n_parameters):
            message = f"parameters of shape {parameters.shape} do not fit {len(self.architectures)} x {first}"
            raise ValueError(message)
        self.parameters = parameters
        self.layers = view_layers(parameters, first)
        self.loss: Loss = LOSSES[first.loss]

    @property
    def n_models(self) -> int:
        """Return how many networks the stack holds."""
        return len(self.architectures)

    def segments(self, layer: int) -> Iterator[Segment]:
        """Yield the runs of models with one activation in a hidden layer."""
        start = 0
        for name, run in groupby(architecture.activations[layer] for architecture in self.architectures):
            stop = start + len(list(run))
            yield Segment(slice(start, stop), ACTIVATIONS[name])
            start = stop

    def take(self, rows: Sequence[int]) -> "Network":
        """Return a new stack of copies of the given models."""
        return Network([self.architectures[row] for row in rows], self.parameters[list(rows)])

    def outputs(self, inputs: Array) -> Array:
        """Return what the networks say of some inputs.

        Parameters
        ----------
        inputs : ndarray of shape (n_samples, n_in), of the parameters' dtype

        Returns
        -------
        ndarray of shape (n_models, n_samples, n_out)
            Probabilities for a cross-entropy, values for a regression loss.
        """
        results = np.empty((self.n_models, len(inputs), self.shape.layer_sizes[-1]), self.parameters.dtype)
        for rows, passes in forward_passes(self, len(inputs)):
            passes.forward(inputs[rows].T[np.newaxis], passes.z)
            self.loss.link(passes.z, passes.row)
            results[:, rows] = passes.z.swapaxes(1, 2)
        return results


@dataclass(frozen=True, eq=False)
class Hidden:
    """Buffers of one hidden layer for one batch size, each of shape (n_models, n_units, n_batch)."""

    z: Array
    output: Array
    scratch: Array
    dropped: Array | None
    mask: Array | None


def _hidden_buffers(network: Network, layer: int, n_batch: int, dropout: bool) -> Hidden:
    shape = (network.n_models, network.shape.layer_sizes[layer + 1], n_batch)
    dtype = network.parameters.dtype
    z = np.empty(shape, dtype)
    in_place = all(segment.activation.from_output for segment in network.segments(layer))
    spare = [np.empty(shape, dtype) if dropout else None for _ in range(2)]
    return Hidden(z, z if in_place else np.empty(shape, dtype), np.empty(shape, dtype), *spare)


@dataclass(eq=False)
class Passes:
    """The forward pass for one batch size, as a list of calls bound to buffers that are made once.

    Parameters
    ----------
    network : Network
    n_batch : int
        Samples in a batch.
    dropout : bool, default False
        Whether each hidden layer's output is multiplied by a mask, which the caller fills.
    """

    network: Network
    n_batch: int
    dropout: bool = False
    hidden: list[Hidden] = field(init=False)
    z: Array = field(init=False)
    row: Array = field(init=False)

    def __post_init__(self) -> None:
        """Make the buffers and bind the calls."""
        sizes = self.network.shape.layer_sizes
        self.hidden = [
            _hidden_buffers(self.network, layer, self.n_batch, self.dropout) for layer in range(len(sizes) - 2)
        ]
        self.z = np.empty((self.network.n_models, sizes[-1], self.n_batch), self.network.parameters.dtype)
        self.row = np.empty((self.network.n_models, 1, self.n_batch), self.network.parameters.dtype)
        self._hidden_calls = [call for layer in range(len(self.hidden)) for call in self._calls(layer)]
        layers = self.network.layers
        self._first, self._last = layers.weights[0], layers.weights[-1]
        self._hidden_output = self.layer_output(len(self.hidden) - 1) if self.hidden else None
        self._last_bias = layers.biases[-1] if layers.biases else None

    def layer_output(self, layer: int) -> Array:
        """Return what the next layer reads from a hidden layer."""
        hidden = self.hidden[layer]
        return hidden.output if hidden.dropped is None else hidden.dropped

    def _calls(self, layer: int) -> Iterator[Call]:
        """Yield the calls of one hidden layer; the product with the inputs is not among them."""
        hidden, layers = self.hidden[layer], self.network.layers
        if layer > 0:
            yield partial(np.matmul, layers.weights[layer], self.layer_output(layer - 1), out=hidden.z)
        if layers.biases:
            yield partial(np.add, hidden.z, layers.biases[layer], out=hidden.z)
        for rows, activation in self.network.segments(layer):
            z = hidden.z[rows]
            output = z if hidden.output is hidden.z else hidden.output[rows]
            yield partial(activation.apply, z, output, hidden.scratch[rows])
        if hidden.mask is not None:
            yield partial(np.multiply, hidden.output, hidden.mask, out=hidden.dropped)

    def forward(self, inputs: Array, z: Array) -> None:
        """Write the last layer's sums into `z`.

        Parameters
        ----------
        inputs : ndarray of shape (n_models or 1, n_in, n_batch)
        z : ndarray of shape (n_models, n_out, n_batch)
        """
        last_inputs = inputs
        if self._hidden_output is not None:
            np.matmul(self._first, inputs, out=self.hidden[0].z)
            for call in self._hidden_calls:
                call()
            last_inputs = self._hidden_output
        np.matmul(self._last, last_inputs, out=z)
        if self._last_bias is not None:
            np.add(z, self._last_bias, out=z)


def inference_rows(network: Network) -> int:
    """Return how many rows one pass over data that is only read takes; the size of the stack does not count."""
    return max(INFERENCE_ROWS, INFERENCE_VALUES // sum(network.shape.layer_sizes))


def forward_passes(network: Network, n_samples: int) -> Iterator[tuple[slice, Passes]]:
    """Yield the rows of each pass over data that is only read, and the buffers for it."""
    passes, n_rows = None, inference_rows(network)
    for start in range(0, n_samples, n_rows):
        rows = slice(start, min(start + n_rows, n_samples))
        if passes is None or passes.n_batch != rows.stop - start:
            passes = Passes(network, rows.stop - start)
        yield rows, passes
