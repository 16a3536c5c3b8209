"""Our own network as a peer, an update at a time by the definition of every training."""

import numpy as np

from plainmlp.nn.batches import Block
from plainmlp.nn.descent import PlainDescent
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.training.backends.backend import Array, Start, Step


class NumpyPeer:
    """A network of this package.

    Parameters
    ----------
    start : Start
    """

    def __init__(self, start: Start) -> None:
        self._optimizer, self._recipe = OPTIMIZERS[start.recipe.optimizer], start.recipe
        parameters = start.parameters.copy()
        slots = tuple(np.zeros_like(parameters) for _ in range(self._optimizer.n_slots))
        self._descent = PlainDescent(start.architecture, parameters, slots, start.recipe)
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
        nothing = np.empty((0, 0, 0))
        _, sums = self._descent.network.forward(inputs.T)
        gradient = self._descent.differentiate(block, 0, nothing).gradient
        self._steps += 1
        settings = {**self._recipe.optimizer_options, "learning_rate": learning_rate}
        columns, products = self._optimizer.coefficients(settings, np.array([float(self._steps)]), self._product)
        self._product = float(products[0])
        made = self._descent.descend(
            block, np.column_stack(columns), nothing, learning_rate=learning_rate, measures_norm=False
        )
        return Step(float(made.losses[0]), sums.T, gradient)

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        return self._descent.parameters.copy()


PEER = NumpyPeer
