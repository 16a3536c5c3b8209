"""How much a model relies on each raw feature: what it loses when the column is shuffled."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Description, Part
from plainmlp.data.sums import sum_by_halves
from plainmlp.evaluation.metrics import THRESHOLD
from plainmlp.evaluation.scores import evaluate_outputs

MAX_COLUMNS = 100
MAX_ROWS = 2000  # if there are more, as many evenly spaced ones
REPEATS = 10
STUDENT_T = 2.2621571628  # the 97.5 % quantile for ten repeats
HEADER = ("column", "importance", "low", "high")


@dataclass(frozen=True, eq=False)
class Importance:
    """What shuffling each column of the test part costs, in the score of the task.

    Parameters
    ----------
    score : {"accuracy", "r2"}
    names : tuple of str
        The columns.
    means, low, high : ndarray of shape (n_columns,)
        The mean loss over the repeats, and the 95 % interval of that mean.
    """

    score: str
    names: tuple[str, ...]
    means: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def order(self) -> list[int]:
        """Return the places of the columns, the most important first."""
        order: list[int] = np.argsort(-self.means, kind="stable").tolist()
        return order


def permutation_importance(
    predict: Callable[[Array], Array], part: Part, description: Description, generator: np.random.Generator
) -> Importance | None:
    """Measure the permutation importance (Breiman, 2001) of each raw feature; return None for images and many columns.

    Parameters
    ----------
    predict : callable (features) -> outputs
    part : Part
        Rows that the model was not trained on.
    generator : numpy.random.Generator
        Shuffles each column `REPEATS` times.
    """
    n_columns = len(description.columns)
    if description.image_shape or not 2 <= n_columns <= MAX_COLUMNS:
        return None
    rows = np.linspace(0, len(part) - 1, min(len(part), MAX_ROWS)).astype(np.intp)
    features, targets = part.features[rows], part.targets[rows]
    whole = score(description, targets, predict(features))
    losses = np.empty((n_columns, REPEATS))
    for column in range(n_columns):
        shuffled = np.tile(features, (REPEATS, 1))
        shuffled[:, column] = np.concatenate([generator.permutation(features[:, column]) for _ in range(REPEATS)])
        repeats = np.split(predict(shuffled), REPEATS)
        losses[column] = [whole - score(description, targets, outputs) for outputs in repeats]
    means = sum_by_halves(losses.T) / REPEATS
    variances = sum_by_halves(np.square(losses.T - means)) / (REPEATS - 1)
    half = STUDENT_T * np.sqrt(variances / REPEATS)
    names = tuple(column.name for column in description.columns)
    return Importance(
        "r2" if description.task == "regression" else "accuracy", names, means, means - half, means + half
    )


def score(description: Description, targets: Array, outputs: Array) -> float:
    """Return the accuracy of a classification or of labels, the r2 of a regression."""
    if description.task == "regression":
        return evaluate_outputs(description, targets, outputs)["r2"]
    if description.task == "multilabel":
        is_right = ((outputs > THRESHOLD) == (targets > THRESHOLD)).all(axis=1)
    else:
        is_right = outputs.argmax(axis=1) == targets
    return np.count_nonzero(is_right) / len(targets)
