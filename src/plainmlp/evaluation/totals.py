"""Every metric of a part that is too large to be predicted at once: totals over its pieces, then one division."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.evaluation.calibration import CALIBRATION_BINS, top_class
from plainmlp.evaluation.intervals import Values
from plainmlp.evaluation.metrics import negative_log

Piece = tuple[Array, Values]  # targets, and the outputs for them


class _ClassTotals(NamedTuple):
    """Sums over samples: hits and misses (true class, predicted class), losses, and calibration gaps by bin."""

    confusion: Array
    log_losses: float
    squares: float
    gaps: Values


class _ErrorTotals(NamedTuple):
    """Sums over samples, one a target; the spread is that around the mean of all targets."""

    squares: Values
    absolutes: Values
    spread: Values
    largest: float


def classification_metrics(pieces: Iterable[Piece], n_classes: int) -> dict[str, float]:
    """Return the metrics of a classification, as `METRICS` has them but for rounding.

    Parameters
    ----------
    pieces : iterable of (targets, outputs)
        Class indices (n,) and probabilities (n, n_classes), each row with the sum 1.
    n_classes : int
    """
    columns: Iterator[Iterable[Any]] = zip(*(_of_classes(*piece, n_classes) for piece in pieces), strict=True)
    confusion, log_losses, squares, gaps = (np.sum(list(column), axis=0) for column in columns)
    n_samples, hits = confusion.sum(), np.diagonal(confusion)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": float(hits.sum() / n_samples),
        "balanced_accuracy": float((hits[true > 0] / true[true > 0]).mean()),
        "macro_f1": float((2 * hits / np.maximum(true + predicted, 1))[true + predicted > 0].mean()),
        "log_loss": float(log_losses / n_samples),
        "brier_score": float(squares / n_samples),
        "expected_calibration_error": float(np.abs(gaps).sum() / n_samples),
    }


def regression_metrics(pieces: Iterable[Piece], targets: Array) -> dict[str, float]:
    """Return the metrics of a regression, as `METRICS` has them but for rounding.

    Parameters
    ----------
    pieces : iterable of (targets, outputs)
        Each of shape (n, n_targets).
    targets : ndarray of shape (n_samples, n_targets)
        Those of all pieces.
    """
    middle = targets.mean(axis=0)
    totals = [_of_errors(*piece, middle) for piece in pieces]
    squares, absolutes, spread = (np.sum(column, axis=0) for column in list(zip(*totals, strict=True))[:3])
    perfect = (squares == 0).astype(np.float64)
    unexplained = np.divide(squares, spread, out=1 - perfect, where=spread > 0)
    means = squares / len(targets)
    return {
        "mean_squared_error": float(means.mean()),
        "mean_absolute_error": float((absolutes / len(targets)).mean()),
        "root_mean_squared_error": float(np.sqrt(means).mean()),
        "r2": float((1 - unexplained).mean()),
        "largest_error": max(total.largest for total in totals),
    }


def _of_classes(targets: Array, outputs: Values, n_classes: int) -> _ClassTotals:
    rows, predicted = np.arange(len(targets)), outputs.argmax(axis=1)
    counts = np.bincount(targets.astype(np.intp) * n_classes + predicted, minlength=n_classes**2)
    confidence, correct, bins = top_class(targets, outputs)
    of_truth = outputs[rows, targets]
    return _ClassTotals(
        counts.reshape(n_classes, n_classes),
        float(negative_log(of_truth).sum()),
        # the sum of (p - t)^2 over the classes, of which t is 1 for one
        float(np.square(outputs).sum() + (1 - 2 * of_truth).sum()),
        np.bincount(bins, confidence - correct, CALIBRATION_BINS).astype(np.float64),
    )


def _of_errors(targets: Array, outputs: Values, middle: Values) -> _ErrorTotals:
    errors = outputs - targets
    absolutes = np.abs(errors)
    spread = np.square(targets - middle).sum(axis=0)
    return _ErrorTotals(np.square(errors).sum(axis=0), absolutes.sum(axis=0), spread, float(absolutes.max()))
