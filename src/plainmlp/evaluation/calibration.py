"""Calibration: whether a class that is predicted with 80 % probability is right 80 % of the time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array
from plainmlp.data.sums import sum_by_halves
from plainmlp.evaluation.summands import Values

CALIBRATION_BINS = 15


class Reliability(NamedTuple):
    """How often predictions are right, by confidence; each field has shape (n_bins,).

    `counts` holds the samples of each bin, `confidence` their mean top probability, `accuracy` the share of
    them that is right; the last two are 0 in an empty bin.
    """

    counts: NDArray[np.intp]
    confidence: Values
    accuracy: Values


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
    filled = np.maximum(counts, 1)
    confidences = np.bincount(bins, top, minlength=CALIBRATION_BINS) / filled
    return Reliability(counts, confidences, np.bincount(bins, correct, minlength=CALIBRATION_BINS) / filled)


def expected_calibration_error(targets: Array, probabilities: Array) -> float:
    """Return the mean distance between confidence and accuracy over 15 bins, weighted by their samples.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,), integer
        Class indices.
    probabilities : ndarray of shape (n_samples, n_classes)

    Notes
    -----
    ECE = sum over bins of counts / n_samples * abs(accuracy - confidence) (Guo et al., 2017).
    """
    gaps, bins = calibration_gaps(targets, probabilities)
    return float(sum_by_halves(np.abs(np.bincount(bins, gaps, CALIBRATION_BINS)))) / len(targets)


def calibration_gaps(targets: Array, probabilities: Array) -> tuple[Values, NDArray[np.intp]]:
    """Return what each sample adds to the gap of its calibration bin, and that bin.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,), integer
        Class indices.
    probabilities : ndarray of shape (n_samples, n_classes)
    """
    top, correct, bins = _top_class(targets, probabilities)
    return top - correct, bins


def _top_class(targets: Array, probabilities: Array) -> tuple[Values, NDArray[np.bool_], NDArray[np.intp]]:
    """Return each sample's top probability, whether that class is right, and its calibration bin."""
    top = probabilities.max(axis=1).astype(np.float64)
    bins = np.clip(np.ceil(top * CALIBRATION_BINS).astype(np.intp) - 1, 0, CALIBRATION_BINS - 1)
    return top, probabilities.argmax(axis=1) == targets, bins
