"""What live.js asks of Python, which runs in the page: a 2-5-3 network on points, trained for some time, and looked at."""

import json
import time
from typing import Any

import numpy as np

from plainmlp import MLP, Architecture, Examples, Recipe

ENDLESS = 10**9  # epochs
ARCHITECTURE = Architecture((2, 5, 3), ("relu",), "cross_entropy")
FIRST_WEIGHTS = {"mean": 0.0, "standard_deviation": 1.0}


def _examples(table: str) -> Examples:
    """Return the points of lines `x1,x2,class`."""
    cells = [line.split(",") for line in table.split()]
    inputs = np.array([[float(x1), float(x2)] for x1, x2, _ in cells])
    return Examples(inputs, np.array([int(place) for *_, place in cells], np.int64))


class Live:
    """The network of the recipe `clusters` in training.

    Parameters
    ----------
    train, test : str
        Points as lines `x1,x2,class` with the classes 0, 1 and 2, at least one in each.
    seed : int
        Of the initial weights.
    learning_rate : float
    """

    def __init__(self, train: str, test: str, seed: int, learning_rate: float) -> None:
        recipe = Recipe(seed, "sgd", learning_rate, l2=0.01)
        self._network = MLP(
            ARCHITECTURE, recipe, initializer="normal", initializer_options=FIRST_WEIGHTS, dtype="float64"
        )
        examples, self._test = _examples(train), _examples(test)
        n_samples = len(examples.inputs)
        self._epochs = self._network.train(examples, epochs=ENDLESS, batch_size=n_samples, shuffle=False)

    def train(self, milliseconds: float) -> str:
        """Train for some time, at least one epoch, and return as JSON what that came to.

        Returns
        -------
        str
            `epochs` done so far, the `losses` of the new ones, the accuracies `train` and `test`, the `digest` of the weights.
            Or `diverged`, where the loss was not finite any more and the training is over.
        """
        losses, end = [], time.perf_counter() + milliseconds / 1000
        for epoch in self._epochs:
            if epoch.diverged:
                return json.dumps({"diverged": True})
            losses.append(epoch.metrics["train_loss"])
            if time.perf_counter() >= end:
                break
        inputs, targets = self._test.inputs, self._test.targets
        hits = self._network.outputs(inputs).argmax(axis=1) == targets
        return json.dumps(
            {
                "epochs": self._network.state.epochs,
                "losses": losses,
                "train": epoch.metrics["train_accuracy"],
                "test": float(hits.mean()),
                "digest": self._network.weights_digest,
            }
        )

    def probabilities(self, left: float, top: float, step: float, side: int) -> Any:
        """Return the probabilities of the classes in the middle of side x side squares, line by line from the top left."""
        middles = (np.arange(side) + 0.5) * step
        x1, x2 = np.meshgrid(left + middles, top - middles)
        return self._network.outputs(np.column_stack([x1.ravel(), x2.ravel()])).ravel()
