"""Our own network as a peer, an update at a time through the code that every training runs."""

import numpy as np

from plainmlp.baselines.peer import Array, Start, Step
from plainmlp.nn.batches import Batches, Examples
from plainmlp.nn.descent import Descent
from plainmlp.nn.gradient import Gradient
from plainmlp.nn.network import Network
from plainmlp.nn.penalty import Penalty
from plainmlp.nn.scoring import Scorer


class NumpyPeer:
    """A network of this package.

    Parameters
    ----------
    start : Start
    """

    def __init__(self, start: Start) -> None:
        self._architecture, recipe = start.architecture, start.recipe
        self._network = Network([start.architecture], start.parameters[np.newaxis].copy())
        self._descent = Descent(self._network, [recipe])
        self._scorer = Scorer(self._network)
        self._gradients = np.empty_like(self._network.parameters)
        weights = self._network.parameters[:, : start.architecture.n_weights]
        self._penalty = Penalty(np.array([[recipe.l1]]), np.array([[recipe.l2]]), weights)

    def step(self, inputs: Array, targets: Array, weights: Array | None, learning_rate: float) -> Step:
        """Make one update."""
        batches = Batches(Examples(inputs, targets, weights), targets.shape[1], len(inputs), 1, 1)
        sums = self._differentiate(batches)
        run = self._descent.run(batches, np.array([learning_rate]), False, self._scorer)
        return Step(float(run.loss[0]), sums, self._gradients[0].copy())

    def _differentiate(self, batches: Batches) -> Array:
        """Write the gradient that the next update will take, and return the last layer's sums."""
        passes = Gradient(self._network, batches.batch_size, gradients=self._gradients)
        (block,) = batches.ordered()
        (factor,), (of_batch,) = block.factors(), block.inputs
        passes.forward(of_batch, passes.z)
        sums: Array = passes.z[0].T.copy()
        passes.backward(of_batch, block.targets[0], factor, passes.z, passes.row)
        self._penalty.add_gradient(self._gradients[:, : self._architecture.n_weights])
        return sums

    def parameters(self) -> Array:
        """Return the parameters as they are now."""
        parameters: Array = self._network.parameters[0].copy()
        return parameters


PEER = NumpyPeer
