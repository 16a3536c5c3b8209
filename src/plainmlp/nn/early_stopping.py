"""Early stopping: when a model has trained for long enough, and which of its parameters were the best."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.recipe import Recipe


class Best(NamedTuple):
    """What is remembered of the epochs so far.

    Parameters
    ----------
    value : float
        Its best value; of an accuracy the negative.
    waited : int
        Epochs since then.
    parameters : ndarray of shape (n_parameters,), optional
        Its parameters then.
    """

    value: float = np.inf
    waited: int = 0
    parameters: Array | None = None


class EarlyStopping:
    """Watch a training.

    Parameters
    ----------
    recipe : Recipe
        Its `patience`, `monitor` and `minimum_improvement` count; without patience nothing is remembered.
    best : Best, optional
        What was remembered of the epochs before; without it, there were none.
    """

    def __init__(self, recipe: Recipe, best: Best | None = None) -> None:
        self._recipe = recipe
        self._sign = -1.0 if recipe.monitor.endswith("accuracy") else 1.0
        self.best = Best() if best is None else best

    def stops(self, metrics: Mapping[str, float], parameters: Array) -> bool:
        """Take in an epoch, and say whether the model has waited long enough."""
        if self._recipe.patience is None:
            return False
        value = self._sign * metrics[self._recipe.monitor]
        if value < self.best.value - self._recipe.minimum_improvement:
            self.best = Best(value, 0, parameters.copy())
        else:
            self.best = self.best._replace(waited=self.best.waited + 1)
        return self.best.waited >= self._recipe.patience
