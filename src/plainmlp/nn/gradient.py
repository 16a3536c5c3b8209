"""The gradient of a stack's cost, by the pass backward (Rumelhart et al., 1986)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.architecture import view_layers
from plainmlp.nn.network import Call, Passes

Array = NDArray[Any]


# where a layer has fewer outputs than this and a batch at least so many samples, the product of a layer's error with
# its inputs takes a half to a fifth of the time as a product of a matrix and a vector for each output
ROW_OUTPUTS, ROW_BATCH = 8, 64
# of one sample, and from so many weights on, np.dot takes half the time of a multiplication; np.matmul is slower still
DOT_WEIGHTS = 1 << 12


def weight_product(delta: Array, gradient: Array) -> Callable[[Array], object]:
    """Return the function that writes a layer's gradient, given the layer's inputs.

    Parameters
    ----------
    delta : ndarray of shape (n_models, n_out, n_batch)
        The layer's error.
    gradient : ndarray of shape (n_models, n_out, n_in)
        Receives the sum over the batch of the outer products of error and inputs.

    Returns
    -------
    callable (inputs of shape (n_models or 1, n_in, n_batch))
    """
    n_out, n_batch = delta.shape[1:]
    if n_batch == 1 and gradient[0].size >= DOT_WEIGHTS:
        return partial(_outer_products, list(zip(delta, gradient, strict=True)))
    if n_batch == 1:
        return lambda inputs: np.multiply(delta, inputs.swapaxes(1, 2), out=gradient)
    if n_out < ROW_OUTPUTS and n_batch >= ROW_BATCH:
        errors, rows = delta[..., np.newaxis], gradient[..., np.newaxis]
        return lambda inputs: np.matmul(inputs[:, np.newaxis], errors, out=rows)
    return lambda inputs: np.matmul(delta, inputs.swapaxes(1, 2), out=gradient)


def _outer_products(models: Sequence[tuple[Array, Array]], inputs: Array) -> None:
    """Write the outer product of error and input for each model, given as (error, gradient)."""
    for model, (delta, gradient) in enumerate(models):
        np.dot(delta, inputs[model % len(inputs)].T, out=gradient)


@dataclass(eq=False)
class Gradient(Passes):
    """Forward and backward pass for one batch size.

    `gradients` (n_models, n_parameters) receives the gradient of the batch's mean cost. `ones` sums over a batch as a
    product, which is quicker than a reduction and has the same bits in a stack as alone.
    """

    gradients: Array = field(kw_only=True)

    def __post_init__(self) -> None:
        """Make the buffers and bind the calls."""
        super().__post_init__()
        dtype = self.network.parameters.dtype
        self._layers = view_layers(self.gradients, self.network.shape)
        self._ones = np.ones((self.n_batch, 1), dtype)
        self._deltas = [np.empty(hidden.z.shape, dtype) for hidden in self.hidden] + [np.empty(self.z.shape, dtype)]
        if self.n_batch == 1 and self._layers.biases:
            self._deltas = self._layers.biases  # of one sample, a layer's error is the gradient of its biases
        self._first_product = weight_product(self._deltas[0], self._layers.weights[0])
        self._output_error = partial(self.network.loss.error, **dict(self.network.shape.loss_options))
        self._backward_calls = [
            call for layer in reversed(range(len(self._deltas))) for call in self._layer_calls(layer)
        ]

    def _layer_calls(self, layer: int) -> Iterator[Call]:
        """Yield the calls that use one layer's error; the product with the inputs is not among them."""
        delta = self._deltas[layer]
        if self._layers.biases and self.n_batch > 1:
            yield partial(np.matmul, delta, self._ones, out=self._layers.biases[layer])
        if layer == 0:
            return
        before, hidden = self._deltas[layer - 1], self.hidden[layer - 1]
        yield partial(weight_product(delta, self._layers.weights[layer]), self.layer_output(layer - 1))
        yield partial(np.matmul, self.network.layers.weights[layer].swapaxes(1, 2), delta, out=before)
        if hidden.mask is not None:
            yield partial(np.multiply, before, hidden.mask, out=before)
        for rows, activation in self.network.segments(layer - 1):
            z = hidden.z[rows]
            output = z if hidden.output is hidden.z else hidden.output[rows]
            yield partial(activation.multiply_slope, before[rows], z, output, hidden.scratch[rows])

    def backward(self, inputs: Array, targets: Array, factor: Array | float, z: Array, row: Array) -> None:
        """Write the gradient of the mean cost, after `forward` with the same `inputs` and `z`.

        Parameters
        ----------
        inputs : ndarray of shape (n_models or 1, n_in, n_batch)
        targets : ndarray of shape (n_models or 1, n_out, n_batch)
        factor : float or ndarray of shape (n_models or 1, 1, n_batch or 1)
            What each sample counts: its weight divided by `n_batch`, times anything that all gradients are to be
            multiplied by.
        z : ndarray of shape (n_models, n_out, n_batch)
            The last layer's sums; left as the loss's `mark` needs them.
        row : ndarray of shape (n_models, 1, n_batch)
            Left as the loss's `mark` needs it.
        """
        delta = self._deltas[-1]
        self._output_error(z, targets, delta, row)
        np.multiply(delta, factor, out=delta)
        for call in self._backward_calls:
            call()
        self._first_product(inputs)
