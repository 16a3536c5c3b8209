"""Dead units: units that are zero whatever they are shown, and so never learn again."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.network import INFERENCE_ROWS, Network, Passes

Array = NDArray[Any]

FEW_ROWS = 64


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
        self._watched = [
            (layer, segment.rows)
            for layer in range(len(network.shape.layer_sizes) - 2)
            for segment in network.segments(layer)
            if segment.activation.can_die
        ]
        self._inputs = np.ascontiguousarray(inputs[:INFERENCE_ROWS].T)[np.newaxis]
        self._few = self._inputs[..., :FEW_ROWS].copy()
        self._passes = {part.shape[-1]: Passes(network, part.shape[-1]) for part in (self._few, self._inputs)}

    def share(self) -> Array:
        """Return the share of dead units among those that can die, of shape (n_models,); 0 where none can."""
        alive = self._alive(self._few)
        if all(units.all() for units in alive):  # as a rule: what a few samples find alive needs no more of them
            return np.zeros(self._network.n_models)
        more = self._alive(self._inputs)
        return self._dead_share([before | now for before, now in zip(alive, more, strict=True)])

    def _alive(self, inputs: Array) -> list[Array]:
        """Return for each watched layer, and the outputs where they can die, which units are not zero throughout."""
        if not self._watched and not self._network.loss.can_die:
            return []
        passes = self._passes[inputs.shape[-1]]
        passes.forward(inputs, passes.z)
        outputs = [passes.hidden[layer].output[rows] for layer, rows in self._watched]
        if self._network.loss.can_die:
            outputs.append(passes.z)
        return [~(output.max(axis=-1) <= 0) for output in outputs]

    def _dead_share(self, alive: list[Array]) -> Array:
        dead, counted = np.zeros(self._network.n_models), np.zeros(self._network.n_models)
        rows = [rows for _, rows in self._watched] + [slice(None)] * self._network.loss.can_die
        for models, units in zip(rows, alive, strict=True):
            dead[models] += (~units).sum(axis=-1)
            counted[models] += units.shape[1]
        return dead / np.maximum(counted, 1)
