"""How good a model is for each single class, label or target."""

from collections.abc import Sequence

import numpy as np

from plainmlp.data.arrays import Array, Description
from plainmlp.evaluation.metrics import METRICS, THRESHOLD, Values, ratio
from plainmlp.evaluation.scores import evaluate_outputs

CLASS_HEADER = ("class", "precision", "recall", "f1", "samples")
Row = Sequence[object]


def class_scores(description: Description, targets: Array, outputs: Array) -> tuple[Values, Array]:
    """Return precision, recall and F1 of each class or label, of shape (3, n_classes), and its number of samples.

    A score is NaN if it is not defined: no sample is predicted to be of the class, or none is.
    """
    if description.task == "multilabel":
        predicted, truth = outputs > THRESHOLD, targets > THRESHOLD
        counts = [np.count_nonzero(each, axis=0) for each in (predicted & truth, predicted, truth)]
    else:
        predicted = outputs.argmax(axis=1)
        each = (targets[predicted == targets], predicted, targets)
        counts = [np.bincount(classes, minlength=len(description.class_names)) for classes in each]
    hits, said, there = counts
    ratios = ((hits, said), (hits, there), (2 * hits, said + there))
    return np.stack([ratio(part, whole) for part, whole in ratios]), there


def class_rows(description: Description, targets: Array, outputs: Array) -> list[Row]:
    """Return a row for each class or label, as in `CLASS_HEADER`; a cell is empty if a score is not defined."""
    scores, samples = class_scores(description, targets, outputs)
    cells = [["" if np.isnan(score) else score for score in of_class] for of_class in scores.T.tolist()]
    return [
        (name, *row, count) for name, row, count in zip(description.output_names, cells, samples.tolist(), strict=True)
    ]


def breakdown(description: Description, targets: Array, outputs: Array) -> tuple[str, Sequence[str], list[Row]]:
    """Return the name, header and rows of the table that suits a task."""
    if description.task == "regression":
        pairs = zip(description.target_names, targets.T[:, :, np.newaxis], outputs.T[:, :, np.newaxis], strict=True)
        rows: list[Row] = [(name, *evaluate_outputs(description, *pair).values()) for name, *pair in pairs]
        return "targets", ("target", *METRICS["regression"]), rows
    return "classes", CLASS_HEADER, class_rows(description, targets, outputs)
