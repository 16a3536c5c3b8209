"""Stage evaluate: from a trained model and the parts of a data set to what the model is worth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from plainmlp.data.arrays import Array, Description, Part
from plainmlp.data.splits import Splits
from plainmlp.data.stored import StoredRows
from plainmlp.evaluation.scores import bootstrap_intervals, evaluate_outputs
from plainmlp.nn.forms import Compiled
from plainmlp.nn.randomness import generator
from plainmlp.training.model import Model

MOST_PREDICTED = 1 << 17  # rows at once, of those that stay in their file


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model is worth.

    Parameters
    ----------
    metrics : dict
        For each part (train, validation, test) every metric of the task.
    intervals : dict
        The ends of the 95 % interval of each metric of the test part that has one.
    outputs : ndarray of shape (n_test, n_classes or n_targets)
        What the model says of the test part.
    """

    metrics: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    outputs: Array


def evaluate(model: Model, splits: Splits, seed: int, compiled: Compiled = "auto") -> Evaluation:
    """Measure a model on every part of the data."""
    outputs = predict(model, splits, compiled)
    tested = np.asarray(outputs["test"])
    intervals = bootstrap_intervals(
        splits.description.task,
        splits.test.targets,
        tested,
        n_classes=len(splits.description.class_names),
        generator=generator(seed, "bootstrap"),
    )
    return Evaluation(measure(splits, outputs), intervals, tested)


def predict(model: Model, splits: Splits, compiled: Compiled = "auto") -> dict[str, Array]:
    """Return what a model says of each part, by the part's name.

    Of more than `MOST_PREDICTED` rows that stay in their file it is found out when it is read, a piece at a time.
    """
    say = partial(model.predict, compiled=compiled)
    return {name: _outputs(part, say, _n_outputs(splits.description)) for name, part in splits.parts().items()}


def _outputs(part: Part, say: Callable[[Array], Array], n_outputs: int) -> Array:
    if isinstance(part.features, StoredRows):
        outputs = part.features.converted(say, n_outputs, np.float64)
        return cast("Array", outputs) if len(part) > MOST_PREDICTED else np.asarray(outputs)
    return say(part.features)


def _n_outputs(description: Description) -> int:
    return len(description.class_names or description.target_names)


def measure(splits: Splits, outputs: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """Return for each part every metric of the task.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        As `predict` returns them.
    """
    description = splits.description
    n_classes = len(description.class_names)
    return {
        name: evaluate_outputs(description.task, part.targets, outputs[name], n_classes=n_classes)
        for name, part in splits.parts().items()
    }
