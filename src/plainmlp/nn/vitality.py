"""Dead units: units that are zero whatever they are shown, and so never learn again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.network import INFERENCE_ROWS, Network, Passes

Array = NDArray[Any]


class DeadUnits:
    """Look for dead units in a stack of networks.

    Parameters
    ----------
    network : Network
    inputs : ndarray of shape (n_samples, n_in)
        The first 1,024 of them are shown to the networks.
    """

    def __init__(self, network: Network, inputs: Array) -> None:
        self._network = network
        self._inputs = np.ascontiguousarray(inputs[:INFERENCE_ROWS].T)[np.newaxis]
        self._watched = [
            (layer, segment.rows)
            for layer in range(len(network.shape.layer_sizes) - 2)
            for segment in network.segments(layer)
            if segment.activation.can_die
        ]
        self._passes = Passes(network, self._inputs.shape[-1])

    def share(self) -> Array:
        """Return the share of dead units among those that can die, of shape (n_models,); 0 where none can."""
        dead, counted = np.zeros(self._network.n_models), np.zeros(self._network.n_models)
        if not self._watched and not self._network.loss.can_die:
            return dead
        self._passes.forward(self._inputs, self._passes.z)
        for layer, rows in self._watched:
            output = self._passes.hidden[layer].output[rows]
            dead[rows] += (output.max(axis=-1) <= 0).sum(axis=-1)
            counted[rows] += output.shape[1]
        if self._network.loss.can_die:
            dead += (self._passes.z.max(axis=-1) <= 0).sum(axis=-1)
            counted += self._passes.z.shape[1]
        return dead / np.maximum(counted, 1)
