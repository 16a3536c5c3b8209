"""Early stopping: when a model has trained for long enough, and which of its parameters were the best."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.recipe import Recipe

Array = NDArray[Any]


class EarlyStopping:
    """What is remembered of one model: its best value, its parameters then, and how long ago that was.

    Parameters
    ----------
    recipe : Recipe
        Its `patience`, `monitor` and `minimum_improvement` count; without patience nothing is remembered.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._sign = -1.0 if recipe.monitor.endswith("accuracy") else 1.0
        self._best = np.inf
        self._waited = 0
        self.parameters: Array | None = None

    def stops(self, metrics: dict[str, Array], row: int, parameters: Array) -> bool:
        """Take in the epoch of the model in a row of `metrics`, and say whether it has waited long enough."""
        if self._recipe.patience is None:
            return False
        value = float(metrics[self._recipe.monitor][row])
        if self._sign * value < self._best - self._recipe.minimum_improvement:
            self._best, self._waited, self.parameters = self._sign * value, 0, parameters.copy()
        else:
            self._waited += 1
        return self._waited >= self._recipe.patience
