"""The metrics of each task: one table, each entry with scikit-learn's value and its form for many resamples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Task
from plainmlp.evaluation.calibration import CALIBRATION_BINS, expected_calibration_error, top_class
from plainmlp.evaluation.intervals import (
    Statistic,
    Values,
    indicators,
    resampled_largest,
    resampled_mean,
    resampled_mean_ratio,
    resampled_r2,
    resampled_root_mean_square,
    resampled_sum_of_gaps,
)

THRESHOLD = 0.5


@dataclass(frozen=True)
class Metric:
    """A number that says how good outputs are, in two forms that agree.

    Parameters
    ----------
    value : callable
        Takes targets and outputs, returns the metric of all samples: scikit-learn's where it has the metric.
    statistic : callable
        Takes targets and outputs, returns the same metric as a function of draw counts, for many resamples at once.
    """

    value: Callable[[Array, Values], float]
    statistic: Callable[[Array, Values], Statistic]


def _from_scikit_learn(name: str, **options: Any) -> Callable[..., float]:
    """Return scikit-learn's metric of that name, imported when it is first needed."""

    def value(targets: Array, outputs: Array, **more: Any) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(targets, outputs, **options, **more))

    return value


def _of_classes(name: str, **options: Any) -> Callable[[Array, Values], float]:
    """Return scikit-learn's metric of the most probable classes."""
    value = _from_scikit_learn(name, **options)
    return lambda targets, outputs: value(targets, outputs.argmax(axis=1))


def _of_probabilities(name: str, **options: Any) -> Callable[[Array, Values], float]:
    """Return scikit-learn's metric of class probabilities, told of all classes: some may not be in the targets."""
    value = _from_scikit_learn(name, **options)
    return lambda targets, outputs: value(targets, outputs, labels=np.arange(outputs.shape[1]))


def _of_labels(name: str, **options: Any) -> Callable[[Array, Values], float]:
    """Return scikit-learn's metric of all labels' probabilities, taken as answers to one yes-or-no question."""
    value = _from_scikit_learn(name, **options)
    return lambda targets, outputs: value(targets.ravel().astype(int), outputs.ravel(), labels=[0, 1])


def _balanced_accuracy(targets: Array, outputs: Values) -> float:
    """Return scikit-learn's balanced accuracy, without its warning for a class that is predicted but not there."""
    from sklearn.metrics import recall_score

    return float(recall_score(targets, outputs.argmax(axis=1), labels=np.unique(targets), average="macro"))


def _subset_accuracy(targets: Array, outputs: Values) -> float:
    """Return the share of samples with every label right."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets.astype(int), _predicted_labels(outputs)))


def _macro_f1_of_labels(targets: Array, outputs: Values) -> float:
    """Return the mean F1 of the labels that occur or are predicted; 1 where there is none."""
    from sklearn.metrics import f1_score

    truth, predicted = targets.astype(int), _predicted_labels(outputs)
    occurring = np.flatnonzero((truth | predicted).any(axis=0))
    scores = [f1_score(truth[:, label], predicted[:, label]) for label in occurring]
    return float(np.mean(scores)) if scores else 1.0


def _largest_error(targets: Array, outputs: Values) -> float:
    """Return the largest absolute error of any sample and target."""
    from sklearn.metrics import max_error

    return float(max(max_error(*column) for column in zip(targets.T, outputs.T, strict=True)))


def _r2(targets: Array, outputs: Values) -> float:
    """Return scikit-learn's R2 of the values minus the first target, which makes equal targets exactly 0."""
    # A single sample, which scikit-learn refuses, is counted twice: that changes no ratio.
    times = 2 if len(targets) == 1 else 1
    shifted = [np.repeat(values - targets[0], times, axis=0) for values in (targets, outputs)]
    return _from_scikit_learn("r2_score")(*shifted)


def _predicted_labels(outputs: Values) -> NDArray[np.int_]:
    return (outputs > THRESHOLD).astype(int)


def _truth_table(targets: Array, outputs: Values) -> Any:
    return indicators(targets, outputs.shape[1])


def _prediction_table(outputs: Values) -> Any:
    return indicators(outputs.argmax(axis=1), outputs.shape[1])


def _hit_table(targets: Array, outputs: Values) -> Any:
    """Return the sparse table of class by class hits."""
    return indicators(targets, outputs.shape[1], (outputs.argmax(axis=1) == targets).astype(np.float64))


def _calibration_gaps(targets: Array, outputs: Values) -> Any:
    """Return the sparse table of confidence minus correctness, bin by bin."""
    confidence, correct, bins = top_class(targets, outputs)
    return indicators(bins, CALIBRATION_BINS, confidence - correct)


def _binary_log_losses(targets: Array, outputs: Values) -> Values:
    """Return the log loss of each sample, the mean over its labels."""
    losses = negative_log(np.where(targets > THRESHOLD, outputs, 1 - outputs))
    return np.asarray(losses.mean(axis=1))


def negative_log(probabilities: Values) -> Values:
    """Return -log(p), with p kept as far from 0 and 1 as scikit-learn keeps it."""
    margin = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(probabilities, margin, 1 - margin)))


_CLASSIFICATION = {
    "accuracy": Metric(_of_classes("accuracy_score"), lambda t, p: resampled_mean(p.argmax(axis=1) == t)),
    "balanced_accuracy": Metric(
        _balanced_accuracy, lambda t, p: resampled_mean_ratio(_hit_table(t, p), _truth_table(t, p))
    ),
    "macro_f1": Metric(
        _of_classes("f1_score", average="macro"),
        lambda t, p: resampled_mean_ratio(2 * _hit_table(t, p), _truth_table(t, p) + _prediction_table(p)),
    ),
    "log_loss": Metric(
        _of_probabilities("log_loss"), lambda t, p: resampled_mean(negative_log(p[np.arange(len(t)), t]))
    ),
    # Brier (1950): the sum over all classes, from 0 to 2, also where there are two.
    "brier_score": Metric(
        _of_probabilities("brier_score_loss", scale_by_half=False),
        lambda t, p: resampled_mean(np.square(p - _truth_table(t, p).toarray()).sum(axis=1)),
    ),
    "expected_calibration_error": Metric(
        expected_calibration_error, lambda t, p: resampled_sum_of_gaps(_calibration_gaps(t, p))
    ),
}

_MULTILABEL = {
    "accuracy": Metric(_subset_accuracy, lambda t, p: resampled_mean((_predicted_labels(p) == t).all(axis=1))),
    "macro_f1": Metric(
        _macro_f1_of_labels,
        lambda t, p: resampled_mean_ratio(2 * _predicted_labels(p) * t, _predicted_labels(p) + t),
    ),
    "log_loss": Metric(_of_labels("log_loss"), lambda t, p: resampled_mean(_binary_log_losses(t, p))),
    # The mean over labels of the binary score, from 0 to 1.
    "brier_score": Metric(
        _of_labels("brier_score_loss", pos_label=1), lambda t, p: resampled_mean(np.square(p - t).mean(axis=1))
    ),
}

_REGRESSION = {
    "mean_squared_error": Metric(
        _from_scikit_learn("mean_squared_error"), lambda t, o: resampled_mean(np.square(o - t).mean(axis=1))
    ),
    "mean_absolute_error": Metric(
        _from_scikit_learn("mean_absolute_error"), lambda t, o: resampled_mean(np.abs(o - t).mean(axis=1))
    ),
    "root_mean_squared_error": Metric(
        _from_scikit_learn("root_mean_squared_error"), lambda t, o: resampled_root_mean_square(o - t)
    ),
    "r2": Metric(_r2, lambda t, o: resampled_r2(t, o - t)),
    "largest_error": Metric(_largest_error, lambda t, o: resampled_largest(np.abs(o - t).max(axis=1))),
}

METRICS: dict[Task, dict[str, Metric]] = {
    "classification": _CLASSIFICATION,
    "multilabel": _MULTILABEL,
    "regression": _REGRESSION,
}
