"""What the outputs of a network are worth: every metric of its task, with bootstrap confidence intervals."""

from collections.abc import Iterator

import numpy as np

from plainmlp.data.arrays import Array, Task
from plainmlp.data.stored import StoredRows
from plainmlp.evaluation.intervals import Values, percentile_intervals
from plainmlp.evaluation.metrics import METRICS
from plainmlp.evaluation.totals import Piece, classification_metrics, regression_metrics


def evaluate_outputs(task: Task, targets: Array, outputs: Array, *, n_classes: int) -> dict[str, float]:
    """Return every metric of the task, by name, in the order of `METRICS`.

    Parameters
    ----------
    task : {"classification", "multilabel", "regression"}
        What the targets are.
    targets : ndarray
        Class indices of shape (n_samples,) for a classification; else of shape (n_samples, n_targets), zeros
        and ones for a multi-label task.
    outputs : ndarray
        Probabilities of shape (n_samples, n_classes) for a classification, else of the targets' shape:
        probabilities for a multi-label task, values for a regression. Of `StoredRows`, a classification's or a
        regression's, a piece at a time is asked for.
    n_classes : int
        The number of classes of a classification; of no meaning for the other tasks.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Notes
    -----
    Metrics of several targets are averaged over them, `largest_error` alone is the largest of all.
    `macro_f1` and `balanced_accuracy` leave out classes that the samples do not hold. Ties between classes go to
    the first; a label is predicted where its probability is above 0.5.
    """
    if isinstance(outputs, StoredRows):
        return _evaluate_pieces(task, targets, outputs, n_classes)
    numbers = _checked(task, targets, outputs, n_classes)
    return {name: metric.value(targets, numbers) for name, metric in METRICS[task].items()}


def bootstrap_intervals(
    task: Task,
    targets: Array,
    outputs: Array,
    *,
    n_classes: int,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Return a confidence interval for every metric of the task, from resampling the samples with replacement.

    Parameters
    ----------
    task, targets, outputs, n_classes
        As for `evaluate_outputs`.
    generator : numpy.random.Generator
        Draws the resamples; the same state gives the same intervals.
    resamples : int, default=1000
        How many, at least 1.
    level : float, default=0.95
        The confidence level, in (0, 1).

    Returns
    -------
    dict of str to (float, float)
        Lower and upper limit of each metric.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Notes
    -----
    Percentile intervals (Efron and Tibshirani, 1993). They hold the spread of the samples, not that of the training.
    The upper limit of `largest_error` cannot exceed the largest error seen, so it says too little about new data; and
    `expected_calibration_error`, which noise can only raise, is biased upwards in every resample.
    """
    numbers = _checked(task, targets, outputs, n_classes)
    statistics = {name: metric.statistic(targets, numbers) for name, metric in METRICS[task].items()}
    return percentile_intervals(statistics, len(targets), generator=generator, resamples=resamples, level=level)


def _evaluate_pieces(task: Task, targets: Array, outputs: StoredRows, n_classes: int) -> dict[str, float]:
    pieces = _pieces(task, targets, outputs, n_classes)
    if task == "classification":
        return classification_metrics(pieces, n_classes)
    return regression_metrics(pieces, targets)


def _pieces(task: Task, targets: Array, outputs: StoredRows, n_classes: int) -> Iterator[Piece]:
    start = 0
    for piece in outputs.pieces():
        of_piece = targets[start : start + len(piece)]
        yield of_piece, _checked(task, of_piece, piece, n_classes)
        start += len(piece)


def _checked(task: Task, targets: Array, outputs: Array, n_classes: int) -> Values:
    """Return the outputs as float64, once their shape is known to be right."""
    expected = (len(targets), n_classes) if task == "classification" else targets.shape
    if outputs.shape != expected:
        message = f"outputs of a {task} must have the shape {expected}, not {outputs.shape}"
        raise ValueError(message)
    numbers = np.asarray(outputs, dtype=np.float64)
    if task != "classification":
        return numbers
    # Rows of a float32 softmax sum to 1 +- 1e-7, which is not close enough for scikit-learn in float64.
    return np.asarray(numbers / numbers.sum(axis=1, keepdims=True))
