"""Every metric of a network's task, with bootstrap confidence intervals."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from plainmlp.data.arrays import Array, Description, Task
from plainmlp.data.stored import StoredRows
from plainmlp.data.sums import sum_by_halves
from plainmlp.evaluation.metrics import METRICS, Rows, Sum, Values, measure, summands
from plainmlp.evaluation.ranking import Ranking, rank

MAX_RANKED = 1 << 17  # rows, if they stay in their file; of more, as many evenly spaced ones are sorted
MAX_RANKED_AGAIN = 10**6  # scores that are sorted for an interval
LEVEL, NORMAL = 0.95, 1.959963985  # of the intervals, and the normal quantile that belongs to it
RESAMPLES = 1000


def evaluate_outputs(description: Description, targets: Array, outputs: Array) -> dict[str, float]:
    """Return every metric of a task, by name, in the order of `METRICS`.

    Parameters
    ----------
    targets : ndarray
        Class indices of shape (n_samples,) for a classification; else of shape (n_samples, n_targets), zeros
        and ones for a multi-label task.
    outputs : ndarray
        Probabilities of shape (n_samples, n_classes) for a classification, else of the targets' shape:
        probabilities for a multi-label task, values for a regression. `StoredRows`, of a classification or a
        regression, are read a piece at a time.

    Notes
    -----
    Metrics of several targets are averaged over them; only `largest_error` is the largest of all. `macro_f1`,
    `balanced_accuracy`, `roc_auc` and `average_precision` leave out classes without samples; with two classes the last
    two are the second's. Ties between classes go to the first; a label is predicted if its probability is above 0.5.
    Samples are summed in the order that `plainmlp.evaluation.metrics` states, so the values have the same bits on every
    processor.
    """
    task = description.task
    centre, of_pieces, ranked = _centre(task, targets), [], []
    every = -(-len(targets) // MAX_RANKED) if isinstance(outputs, StoredRows) else 1
    for of_piece, piece in _pieces(targets, outputs):
        checked = _checked(description, of_piece, piece)
        found = summands(task, of_piece, checked, centre)
        ranked.append((of_piece[::every].copy(), checked[::every].copy()))  # a view would keep the whole piece
        rows = np.arange(len(of_piece))[:, np.newaxis]
        of_pieces.append({name: summand.total(rows) for name, summand in found.items()})
    totals = {name: summand.join([each[name] for each in of_pieces]) for name, summand in found.items()}
    if task != "regression":
        ranking = rank(task, *map(np.concatenate, zip(*ranked, strict=True)))
        totals["areas"] = ranking.total(np.arange(ranking.scores.shape[1])[:, np.newaxis])
    values = measure(task, totals, len(targets))[:, 0]
    return dict(zip(METRICS[task], values.tolist(), strict=True))


def bootstrap_intervals(
    description: Description, targets: Array, outputs: Array, generator: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Return the limits of a 95 % confidence interval for each metric, most of them from resampling the samples.

    Parameters
    ----------
    description, targets, outputs
        As for `evaluate_outputs`.
    generator : numpy.random.Generator
        Draws the resamples; the same state gives the same intervals.

    Notes
    -----
    Percentile intervals (Efron and Tibshirani, 1993), except for accuracy, see `proportion_interval`. For more than
    `MAX_RANKED_AGAIN` scores the areas under the curves have no interval, since it would take long. A metric on which
    all resamples agree has none: the samples say too little about it. The intervals cover the spread of the samples, not
    of trainings. The upper limit of `largest_error` cannot exceed the largest error seen, so it says too little about
    new data; and `expected_calibration_error`, which noise can only raise, is biased upwards in every resample.
    """
    task, checked = description.task, _checked(description, targets, outputs)
    found: dict[str, Sum | Ranking] = {**summands(task, targets, checked, _centre(task, targets))}
    if task != "regression" and checked.size <= MAX_RANKED_AGAIN:
        found["areas"] = rank(task, targets, checked)

    def measure_rows(rows: Rows) -> Values:
        totals = {name: each.total(rows) for name, each in found.items()}
        return measure(task, totals, len(targets))

    limits = percentile_intervals(measure_rows, len(targets), generator)
    intervals = dict(zip(METRICS[task], limits, strict=True))
    if task != "regression":
        hits = {"hits": found["hits"].total(np.arange(len(targets))[:, np.newaxis])}
        n_right = float(METRICS[task]["accuracy"](hits, 1)[0])
        intervals["accuracy"] = proportion_interval(n_right, len(targets))
    return {name: (low, high) for name, (low, high) in intervals.items() if low < high}


def proportion_interval(n_right: float, n_samples: int) -> tuple[float, float]:
    """Return the limits of Wilson's 95 % interval (1927) for the share of samples that are right.

    Notes
    -----
    With the normal quantile z they are (k + z^2 / 2 -+ z sqrt(k (n - k) / n + z^2 / 4)) / (n + z^2): within 0 and 1, and
    different even if all samples are right.
    """
    centre = n_right + NORMAL * NORMAL / 2
    half = NORMAL * math.sqrt(n_right * (n_samples - n_right) / n_samples + NORMAL * NORMAL / 4)
    low, high = ((centre + side) / (n_samples + NORMAL * NORMAL) for side in (-half, half))
    return max(low, 0.0), min(high, 1.0)


def _pieces(targets: Array, outputs: Array) -> Iterator[tuple[Array, Array]]:
    """Yield targets and outputs, together or as many at a time as are read from a file."""
    start = 0
    for piece in outputs.pieces() if isinstance(outputs, StoredRows) else [outputs]:
        yield targets[start : start + len(piece)], piece
        start += len(piece)


def _centre(task: Task, targets: Array) -> Values:
    if task != "regression":
        return np.empty(0)
    mean: Values = sum_by_halves(targets) / len(targets)
    return mean


def _checked(description: Description, targets: Array, outputs: Array) -> Values:
    """Return the outputs as float64, once their shape is known to be right."""
    is_classification = description.task == "classification"
    expected = (len(targets), len(description.class_names)) if is_classification else targets.shape
    if outputs.shape != expected:
        message = f"outputs of a {description.task} must have the shape {expected}, not {outputs.shape}"
        raise ValueError(message)
    numbers = np.asarray(outputs, dtype=np.float64)
    if not is_classification:
        return numbers
    # rows of a float32 softmax sum to 1 +- 1e-7
    return np.asarray(numbers / sum_by_halves(numbers.T)[:, np.newaxis])


DRAWS_AT_ONCE = 2**14  # 128 KB of row numbers: small enough for the cache of a core


def percentile_intervals(
    measure: Callable[[Rows], Values], n_samples: int, generator: np.random.Generator
) -> list[tuple[float, float]]:
    """Return the lower and upper bootstrap percentile limit of every metric, all from the same resamples.

    Parameters
    ----------
    measure : callable (rows) -> ndarray of shape (n_metrics, n_resamples)
        Takes the drawn rows, of shape (n_samples, n_resamples).

    Notes
    -----
    The limits are the 2.5 % and 97.5 % quantiles of the metric over the resamples (Efron and
    Tibshirani, 1993, chapter 13), interpolated linearly between the two nearest ones.
    """
    at_once = max(1, DRAWS_AT_ONCE // n_samples)
    sizes = [min(at_once, RESAMPLES - start) for start in range(0, RESAMPLES, at_once)]
    measured = [measure(generator.integers(0, n_samples, (n_samples, size))) for size in sizes]
    ordered = np.sort(np.concatenate(measured, axis=1), axis=1)
    low, high = (_quantile(ordered, share) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _quantile(ordered: Values, share: float) -> Values:
    """Return the quantile of the values of each row, interpolated linearly."""
    position = share * (ordered.shape[1] - 1)
    below = int(position)
    above = min(below + 1, ordered.shape[1] - 1)
    quantile: Values = ordered[:, below] + (position - below) * (ordered[:, above] - ordered[:, below])
    return quantile
