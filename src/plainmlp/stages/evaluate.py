"""Stage evaluate: from a trained model and the parts of a data set to what the model is worth."""

from collections.abc import Mapping
from dataclasses import dataclass

from plainmlp.data.arrays import Array, Splits
from plainmlp.evaluation import bootstrap_intervals, evaluate_outputs
from plainmlp.model import Model
from plainmlp.nn.randomness import generator
from plainmlp.numerics import blas_threads


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model is worth.

    Parameters
    ----------
    metrics : dict
        For each part (train, validation, test) every metric of the task.
    intervals : dict
        For each metric of the test part the ends of its 95 % bootstrap interval.
    outputs : ndarray of shape (n_test, n_classes or n_targets)
        What the model says of the test part.
    """

    metrics: dict[str, dict[str, float]]
    intervals: dict[str, tuple[float, float]]
    outputs: Array


def evaluate(model: Model, splits: Splits, seed: int, threads: int) -> Evaluation:
    """Measure a model on every part of the data.

    Parameters
    ----------
    model : Model
    splits : Splits
    seed : int
        Of the resampling for the intervals.
    threads : int
        `training.blas_threads`.
    """
    outputs = predict(model, splits, threads)
    intervals = bootstrap_intervals(
        splits.description.task,
        splits.test.targets,
        outputs["test"],
        n_classes=len(splits.description.class_names),
        generator=generator(seed, "bootstrap"),
    )
    return Evaluation(measure(splits, outputs), intervals, outputs["test"])


def predict(model: Model, splits: Splits, threads: int) -> dict[str, Array]:
    """Return what a model says of each part, by the part's name; `threads` is `training.blas_threads`."""
    with blas_threads(threads):
        return {name: model.predict(part.features) for name, part in splits.parts().items()}


def measure(splits: Splits, outputs: Mapping[str, Array]) -> dict[str, dict[str, float]]:
    """Return for each part every metric of the task.

    Parameters
    ----------
    splits : Splits
    outputs : mapping of str to ndarray
        As `predict` returns them.
    """
    description = splits.description
    return {
        name: evaluate_outputs(description.task, part.targets, outputs[name], n_classes=len(description.class_names))
        for name, part in splits.parts().items()
    }
