"""Early stopping: when a model has trained for long enough, and which of its parameters were the best."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.recipe import Recipe

# how such metrics end; of all others lower is better
HIGHER_IS_BETTER = ("accuracy", "f1", "r2", "roc_auc", "average_precision")


def is_higher_better(metric: str) -> bool:
    """Say whether a metric grows as a model gets better, as accuracies do and losses do not."""
    return metric.endswith(HIGHER_IS_BETTER)


class Best(NamedTuple):
    """What is remembered of the epochs so far.

    Parameters
    ----------
    value : float
        Its best value; if higher is better the negative.
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
        self._sign = -1.0 if is_higher_better(recipe.monitor) else 1.0
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


def kept_epoch(recipe: Recipe, history: Mapping[str, Sequence[float]]) -> int:
    """Return the epoch whose parameters a training kept: the best with `patience`, else the last."""
    n_epochs, stopping, no_parameters = len(next(iter(history.values()))), EarlyStopping(recipe), np.empty(0)
    for value in history.get(recipe.monitor, ()):
        stopping.stops({recipe.monitor: value}, no_parameters)
    waited = 0 if stopping.best.parameters is None else stopping.best.waited
    return n_epochs - 1 - waited
