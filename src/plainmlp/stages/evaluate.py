"""Stage evaluate: from a trained model and the parts of a data set to what the model is worth."""

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
    description = splits.description
    n_classes = len(description.class_names)
    with blas_threads(threads):
        outputs = {name: model.predict(part.features) for name, part in splits.parts().items()}
    metrics = {
        name: evaluate_outputs(description.task, part.targets, outputs[name], n_classes=n_classes)
        for name, part in splits.parts().items()
    }
    intervals = bootstrap_intervals(
        description.task,
        splits.test.targets,
        outputs["test"],
        n_classes=n_classes,
        generator=generator(seed, "bootstrap"),
    )
    return Evaluation(metrics, intervals, outputs["test"])
