"""A network in plain NumPy: its pass forward, and the gradient of its cost by the pass backward (Rumelhart et al., 1986).

Activations are arrays (units, samples), so that what happens to a unit runs along a contiguous row.
"""

from typing import NamedTuple

import numpy as np

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.losses import Assessment, assess
from plainmlp.nn.products import block_sum, correlate, weigh


class Batch(NamedTuple):
    """Samples that a network is shown, at most 256 at once.

    Parameters
    ----------
    inputs : ndarray of shape (n_in, n_samples)
    targets : ndarray
        Class indices (n_samples,), or values (n_out, n_samples).
    shares : ndarray of shape (n_samples,)
        How much each counts.
    masks : list of ndarray of shape (n_units, n_samples), optional
        What dropout multiplies the output of each hidden layer with.
    """

    inputs: Array
    targets: Array
    shares: Array
    masks: list[Array] | None = None


class Hidden(NamedTuple):
    """What a pass forward leaves of a hidden layer, each (n_units, n_samples).

    Parameters
    ----------
    z : ndarray
        The sums that reach the units.
    output : ndarray
        f(z).
    kept : ndarray
        What the next layer reads: the output, less what dropout leaves out.
    """

    z: Array
    output: Array
    kept: Array


class Passed(NamedTuple):
    """What some samples came to.

    Parameters
    ----------
    gradient : ndarray of shape (n_parameters,)
        Of the sum of their costs, times a factor.
    cost, score : scalars of the network's dtype
        Sums over the samples.
    """

    gradient: Array
    cost: Array
    score: Array


class Network:
    """A network whose parameters lie in one array.

    Parameters
    ----------
    architecture : Architecture
    parameters : ndarray of shape (n_parameters,), float32 or float64
        All weights, layer by layer, each of shape (n_in, n_out), then all biases.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by, so that scores have their units.
    """

    def __init__(self, architecture: Architecture, parameters: Array, target_scale: Array | None = None) -> None:
        self.architecture, self.parameters = architecture, parameters
        self.layers = view_layers(parameters, architecture)
        dtype = parameters.dtype
        scale = np.ones(architecture.layer_sizes[-1]) if target_scale is None else target_scale
        self._target_scale = scale.astype(dtype)
        self._threshold = dtype.type(dict(architecture.loss_options).get("threshold", 1.0))

    def forward(self, inputs: Array, masks: list[Array] | None = None) -> tuple[list[Hidden], Array]:
        """Return what happens in each hidden layer, and the sums of the last layer, (n_out, n_samples)."""
        hidden: list[Hidden] = []
        kept = inputs
        for layer, name in enumerate(self.architecture.activations):
            z = self._reach(layer, kept)
            output = kept = ACTIVATIONS[name].function(z)
            if masks is not None:
                kept = output * masks[layer]
            hidden.append(Hidden(z, output, kept))
        return hidden, self._reach(len(hidden), kept)

    def _reach(self, layer: int, inputs: Array) -> Array:
        """Return the sums that reach a layer's units; inputs of the first that are zero throughout are left out."""
        weights = self.layers.weights[layer]
        if layer == 0:
            used = inputs.any(axis=1)
            weights, inputs = weights[used], inputs[used]
        z = weigh(weights, inputs)
        return z + self.layers.biases[layer][:, np.newaxis] if self.layers.biases else z

    def assess(self, z: Array, targets: Array) -> Assessment:
        """Return what the loss says of the sums of the last layer."""
        return assess(self.architecture.loss, z, targets, self._threshold, self._target_scale)

    def differentiate(self, batch: Batch, factor: Array) -> Passed:
        """Return the gradient of some samples' costs, each times its share and a factor, and the sums of what they cost."""
        hidden, z = self.forward(batch.inputs, batch.masks)
        error, costs, scores = self.assess(z, batch.targets)
        delta = error * (batch.shares * factor)
        gradient = np.empty_like(self.parameters)
        layers = view_layers(gradient, self.architecture)
        for layer in reversed(range(len(layers.weights))):
            if layers.biases:
                layers.biases[layer][:] = block_sum(delta)
            if layer == 0:
                used = batch.inputs.any(axis=1)
                layers.weights[0][:] = 0
                layers.weights[0][used] = correlate(batch.inputs[used], delta)
                break
            before = hidden[layer - 1]
            layers.weights[layer][:] = correlate(before.kept, delta)
            delta = weigh(self.layers.weights[layer].T, delta)  # the sums over its outputs
            if batch.masks is not None:
                delta = delta * batch.masks[layer - 1]
            delta = ACTIVATIONS[self.architecture.activations[layer - 1]].backward(delta, before.z, before.output)
        return Passed(gradient, block_sum(costs * batch.shares), block_sum(scores))
