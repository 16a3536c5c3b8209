"""The metrics of each task: what each sample adds to totals, and how each metric follows from the totals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Task
from plainmlp.data.sums import sum_by_halves
from plainmlp.nn.functions import log

Values = NDArray[np.float64]
Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Sum:
    """What each sample adds to one or more totals: numbers of shape (n_totals, n_samples), added by halves."""

    values: NDArray[Any]

    def total(self, rows: Rows) -> Values:
        """Return the totals over drawn rows, (n_totals, n_resamples); the rows are integers (n_drawn, n_resamples)."""
        return np.stack([sum_by_halves(of_samples.take(rows)) for of_samples in self.values])

    @staticmethod
    def join(totals: Sequence[Values]) -> Values:
        """Return the totals over several pieces of a part from those over each."""
        joined: Values = sum_by_halves(np.stack(totals))
        return joined


@dataclass(frozen=True, eq=False)
class GroupedSum(Sum):
    """Sums over groups of samples, in each group in the order of the samples.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        What a sample adds to the total of its group.
    groups : ndarray of shape (n_samples,), integer
        From 0 to n_groups - 1.
    """

    groups: NDArray[np.integer[Any]]
    n_groups: int

    def total(self, rows: Rows) -> Values:
        """Return the sum over the drawn rows of each group."""
        n_resamples = rows.shape[1]
        places = self.groups.take(rows).astype(np.intp) * n_resamples + np.arange(n_resamples)
        totals = np.bincount(places.ravel(), self.values.take(rows).ravel(), self.n_groups * n_resamples)
        return totals.reshape(self.n_groups, n_resamples).astype(np.float64, copy=False)


@dataclass(frozen=True, eq=False)
class Largest(Sum):
    """The largest of numbers, of shape (n_samples,), in place of their sum."""

    def total(self, rows: Rows) -> Values:
        """Return the largest value of the drawn rows."""
        largest: Values = self.values.take(rows).max(axis=0, keepdims=True)
        return largest

    @staticmethod
    def join(totals: Sequence[Values]) -> Values:
        """Return the largest value of all pieces."""
        largest: Values = np.max(totals, axis=0)
        return largest


THRESHOLD = 0.5

Totals = Mapping[str, Values]  # by the summand's name, each of shape (n_totals, n_resamples)
Metric = Callable[[Totals, int], Values]  # from totals and the number of samples to a value a resample


def _of_classes(targets: Array, outputs: Values) -> dict[str, Sum]:
    """Return the summands of a classification; the log loss keeps probabilities away from 0 and 1."""
    n_classes, ones = outputs.shape[1], np.ones(len(targets))
    predicted, samples = outputs.argmax(axis=1), np.arange(len(targets))
    top, correct, bins = _top_class(targets, outputs)
    errors = outputs.copy()
    errors[samples, targets] -= 1
    return {
        "hits": GroupedSum(correct, targets, n_classes),
        "true": GroupedSum(ones, targets, n_classes),
        "predicted": GroupedSum(ones, predicted, n_classes),
        "log_losses": Sum(negative_log(outputs[samples, targets])[np.newaxis]),
        "squares": Sum(sum_by_halves(np.square(errors).T)[np.newaxis]),
        "gaps": GroupedSum(top - correct, bins, CALIBRATION_BINS),
    }


def _of_labels(targets: Array, outputs: Values) -> dict[str, Sum]:
    """Return the summands of a multi-label task, losses as means over the labels."""
    predicted, truth = outputs > THRESHOLD, targets > THRESHOLD
    return {
        "hits": Sum((predicted == truth).all(axis=1)[np.newaxis]),
        "both": Sum((predicted & truth).T),
        "either": Sum(predicted.astype(np.float64).T + truth.T),
        "log_losses": Sum(_mean(negative_log(np.where(truth, outputs, 1 - outputs)).T)[np.newaxis]),
        "squares": Sum(_mean(np.square(outputs - targets).T)[np.newaxis]),
    }


def _of_numbers(targets: Array, outputs: Values, centre: Values) -> dict[str, Sum]:
    """Return the summands of a regression, one a target, with the spread of the targets around a centre."""
    errors, deviations = np.ascontiguousarray((outputs - targets).T), np.ascontiguousarray((targets - centre).T)
    absolutes = np.abs(errors)
    return {
        "squares": Sum(np.square(errors)),
        "absolutes": Sum(absolutes),
        "deviations": Sum(deviations),
        "squared_deviations": Sum(np.square(deviations)),
        "largest": Largest(absolutes.max(axis=0)),
    }


def summands(task: Task, targets: Array, outputs: Values, centre: Values) -> dict[str, Sum]:
    """Return what each sample adds to the totals that the metrics of a task are made of.

    Parameters
    ----------
    centre : ndarray of shape (n_targets,)
        Near the mean of each target of a regression, so that the sum of squares around it loses no digits.
    """
    if task == "regression":
        return _of_numbers(targets, outputs, centre)
    return _of_classes(targets, outputs) if task == "classification" else _of_labels(targets, outputs)


def negative_log(probabilities: Values) -> Values:
    """Return -log(p), with p kept as far from 0 and 1 as scikit-learn keeps it."""
    margin = np.finfo(np.float64).eps
    with np.errstate(all="ignore"):
        return np.asarray(-log(np.clip(probabilities, margin, 1 - margin)))


def _mean(values: Array) -> Values:
    """Return the mean along the first axis, the short one of classes or targets."""
    return np.asarray(sum_by_halves(values) / len(values))


def ratio(parts: Array, wholes: Array) -> Values:
    """Return parts / wholes, NaN where the whole is 0."""
    ratios: Values = np.divide(parts, wholes, out=np.full(np.shape(wholes), np.nan), where=wholes > 0)
    return ratios


def _mean_defined(values: Values, otherwise: float) -> Values:
    """Return the mean over those classes whose value is not NaN, or the other number if there are none."""
    defined = ~np.isnan(values)
    n_defined = np.count_nonzero(defined, axis=0)
    return np.where(n_defined > 0, sum_by_halves(np.where(defined, values, 0.0)) / np.maximum(n_defined, 1), otherwise)


def _r2(totals: Totals, n_samples: int) -> Values:
    """Return 1 - sum(errors^2) / sum((targets - mean)^2), averaged over the targets.

    As in scikit-learn, if all targets are equal, the value is 1 without an error and 0 otherwise.
    """
    residuals, moments = totals["squares"], totals["squared_deviations"]
    spreads = moments - np.square(totals["deviations"]) / n_samples
    varied = spreads > 1e-12 * moments  # what rounding leaves of a spread of zero is smaller
    ratios = np.divide(residuals, spreads, out=(residuals > 0).astype(np.float64), where=varied)
    return 1 - _mean(ratios)


def _mean_area(totals: Totals, *, of_precision: bool) -> Values:
    """Return the mean over the classes of the area under one of the two curves, see `plainmlp.evaluation.ranking`.

    A class that has all samples, or none, has no area; if there is no other, nothing was ranked and the value is 0.5,
    that of chance. Without a ranking the value is NaN.
    """
    if "areas" not in totals:
        return np.full(totals["log_losses"].shape[1:], np.nan)
    return _mean_defined(np.split(totals["areas"], 2)[of_precision], 0.5)


METRICS: dict[Task, dict[str, Metric]] = {
    "classification": {
        "accuracy": lambda totals, n: sum_by_halves(totals["hits"]) / n,
        "balanced_accuracy": lambda totals, n: _mean_defined(ratio(totals["hits"], totals["true"]), 1.0),
        "macro_f1": lambda totals, n: _mean_defined(
            ratio(2 * totals["hits"], totals["true"] + totals["predicted"]), 1.0
        ),
        "roc_auc": lambda totals, _: _mean_area(totals, of_precision=False),
        "average_precision": lambda totals, _: _mean_area(totals, of_precision=True),
        "log_loss": lambda totals, n: totals["log_losses"][0] / n,
        # Brier (1950): the sum over all classes, from 0 to 2, also where there are two.
        "brier_score": lambda totals, n: totals["squares"][0] / n,
        "expected_calibration_error": lambda totals, n: sum_by_halves(np.abs(totals["gaps"])) / n,
    },
    "multilabel": {
        "accuracy": lambda totals, n: totals["hits"][0] / n,
        "macro_f1": lambda totals, n: _mean_defined(ratio(2 * totals["both"], totals["either"]), 1.0),
        "roc_auc": lambda totals, _: _mean_area(totals, of_precision=False),
        "average_precision": lambda totals, _: _mean_area(totals, of_precision=True),
        "log_loss": lambda totals, n: totals["log_losses"][0] / n,
        # The mean over labels of the binary score, from 0 to 1.
        "brier_score": lambda totals, n: totals["squares"][0] / n,
    },
    "regression": {
        "mean_squared_error": lambda totals, n: _mean(totals["squares"] / n),
        "mean_absolute_error": lambda totals, n: _mean(totals["absolutes"] / n),
        "root_mean_squared_error": lambda totals, n: _mean(np.sqrt(totals["squares"] / n)),
        "r2": _r2,
        "largest_error": lambda totals, n: totals["largest"][0],
    },
}


SHARES = {"accuracy", "average_precision", "balanced_accuracy", "expected_calibration_error", "macro_f1", "roc_auc"}


def range_of(metric: str) -> tuple[float, float]:
    """Return what a metric can be, such as 0 to 1 for `accuracy`; any number for a name that is none of a metric."""
    if metric == "r2":
        return -math.inf, 1.0
    if metric in SHARES:
        return 0.0, 1.0
    return (0.0, math.inf) if metric.endswith(("_error", "_score", "log_loss")) else (-math.inf, math.inf)


def measure(task: Task, totals: Totals, n_samples: int) -> Values:
    """Return every metric of a task, in the order of `METRICS`, of shape (n_metrics, n_resamples)."""
    return np.stack([metric(totals, n_samples) for metric in METRICS[task].values()])


CALIBRATION_BINS = 15


class Reliability(NamedTuple):
    """How often predictions are right, by confidence.

    `counts`, of shape (n_bins,), holds the samples of each bin, `confidence` their mean top probability, `accuracy`
    the share of them that is right (both 0 in an empty bin), and `error` the expected calibration error: the mean
    distance of the two, weighted by the samples.
    """

    counts: NDArray[np.intp]
    confidence: Values
    accuracy: Values
    error: float


def reliability(targets: Array, probabilities: Array) -> Reliability:
    """Return confidence and accuracy in 15 equal-width bins of the top probability.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,), integer
        Class indices.
    probabilities : ndarray of shape (n_samples, n_classes)

    Notes
    -----
    Bin m of M holds the samples with (m - 1) / M < top probability <= m / M (Guo et al., 2017, "On calibration of
    modern neural networks").
    """
    top, correct, bins = _top_class(targets, probabilities)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    confidence, accuracy, gaps = (np.bincount(bins, each, CALIBRATION_BINS) for each in (top, correct, top - correct))
    filled, error = np.maximum(counts, 1), float(sum_by_halves(np.abs(gaps))) / len(targets)
    return Reliability(counts, confidence / filled, accuracy / filled, error)


def _top_class(targets: Array, probabilities: Array) -> tuple[Values, NDArray[np.bool_], NDArray[np.intp]]:
    """Return each sample's top probability, whether that class is right, and its calibration bin."""
    top = probabilities.max(axis=1).astype(np.float64)
    bins = np.clip(np.ceil(top * CALIBRATION_BINS).astype(np.intp) - 1, 0, CALIBRATION_BINS - 1)
    return top, probabilities.argmax(axis=1) == targets, bins
