"""Stage evaluate: from a trained model and the parts of a data set to metrics, intervals and importance."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, cast

import numpy as np

from plainmlp.config.schema import ModelSection
from plainmlp.data.arrays import Array, Description, Part
from plainmlp.data.splits import Splits
from plainmlp.data.stored import StoredRows
from plainmlp.data.sums import count_classes, sum_by_halves
from plainmlp.evaluation.importance import Importance, permutation_importance
from plainmlp.evaluation.scores import bootstrap_intervals, evaluate_outputs
from plainmlp.nn.forms import Compiled
from plainmlp.nn.losses import assess
from plainmlp.nn.randomness import generator
from plainmlp.training.construction import build_architecture
from plainmlp.training.model import Model

MAX_PREDICTED = 1 << 17  # rows at once, if they stay in their file


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
        The model's outputs for the test part.
    importance : Importance, optional
        How important each column is to the model.
    class_weights : str, default ""
        How the classes were weighted in training.
    baseline : dict
        Every metric of the test part for the best answer that is the same for every row, see `constant_outputs`.
    """

    metrics: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    outputs: Array
    baseline: dict[str, float] = field(default_factory=dict)
    importance: Importance | None = None
    class_weights: str = ""

    def warning(self) -> str | None:
        """Return a warning if an answer that is the same for every row does as well, up to chance."""
        name = next(name for name in ("accuracy", "r2") if name in self.baseline)
        reached, constant = self.metrics["test"][name], self.baseline[name]
        if self.intervals.get(name, (reached, reached))[0] > constant:
            return None
        advice = "try another network or more training"
        if name == "accuracy":
            advice = "look at balanced_accuracy and roc_auc"
            advice += "" if self.class_weights else ", and try training.class_weights=balanced"
        return (
            f"the same answer for every row would do as well, up to chance: {name} {constant:.4g} on the test part, this "
            f"network {reached:.4g}; {advice}"
        )


def evaluate(
    model: Model,
    splits: Splits,
    seed: int,
    compiled: Compiled = "auto",
    *,
    class_weights: Literal["balanced"] | tuple[float, ...] | None = None,
) -> Evaluation:
    """Measure a model on every part of the data; figures name the `class_weights` that it was trained with."""
    outputs = predict(model, splits, compiled)
    tested = np.asarray(outputs["test"])
    intervals = bootstrap_intervals(splits.description, splits.test.targets, tested, generator(seed, "bootstrap"))
    importance = permutation_importance(
        partial(model.predict, compiled=compiled), splits.test, splits.description, generator(seed, "importance")
    )
    return Evaluation(
        measure(splits, outputs),
        intervals,
        tested,
        measure_baseline(splits, splits.test),
        importance,
        "" if class_weights is None else str(class_weights),
    )


def measure_baseline(splits: Splits, part: Part) -> dict[str, float]:
    """Return every metric of a part for `constant_outputs`."""
    outputs = np.tile(constant_outputs(splits.description, splits.train.targets), (len(part), 1))
    return evaluate_outputs(splits.description, part.targets, outputs)


def measure_baseline_loss(splits: Splits, part: Part, model: ModelSection) -> float | None:
    """Return the loss of `constant_outputs` on a part; None unless the task is a regression with equal weights."""
    if splits.description.task != "regression" or part.weights is not None:
        return None
    architecture, preparation = build_architecture(splits, model), splits.preparation
    constant = constant_outputs(splits.description, splits.train.targets)
    z = preparation.targets(np.tile(constant, (len(part), 1)), "float64").T
    threshold = np.asarray(dict(architecture.loss_options).get("threshold", 0.0))
    assessed = assess(architecture.loss, z, preparation.targets(part.targets, "float64").T, threshold, np.ones(len(z)))
    return math.fsum(assessed.costs.tolist()) / len(part)


def constant_outputs(description: Description, targets: Array) -> Array:
    """Return the best answer that is the same for every row: the shares of the classes, or the means of the targets.

    As scikit-learn's DummyClassifier and DummyRegressor give it, fitted on the train part's targets.
    """
    if description.task == "classification":
        return count_classes(targets, len(description.class_names)) / len(targets)
    mean: Array = sum_by_halves(targets) / len(targets)
    return mean


def predict(model: Model, splits: Splits, compiled: Compiled = "auto") -> dict[str, Array]:
    """Return the model's outputs for each part, by the part's name.

    For more than `MAX_PREDICTED` rows that stay in their file they are computed when they are read, a piece at a time.
    """
    say = partial(model.predict, compiled=compiled)
    return {name: _outputs(part, say, len(splits.description.output_names)) for name, part in splits.parts().items()}


def _outputs(part: Part, say: Callable[[Array], Array], n_outputs: int) -> Array:
    if isinstance(part.features, StoredRows):
        outputs = part.features.converted(say, n_outputs, np.float64)
        return cast("Array", outputs) if len(part) > MAX_PREDICTED else np.asarray(outputs)
    return say(part.features)


def measure(splits: Splits, outputs: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """Return for each part every metric of the task; the outputs are as `predict` returns them."""
    return {
        name: evaluate_outputs(splits.description, part.targets, outputs[name]) for name, part in splits.parts().items()
    }
