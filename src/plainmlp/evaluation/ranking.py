"""How well scores put the samples of a class before all others: the areas under the two curves of every threshold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Task
from plainmlp.data.sums import sum_by_halves
from plainmlp.evaluation.metrics import Rows, Values, ratio

Counts = NDArray[np.integer[Any]]
Positions = NDArray[np.intp]
COUNTED_AT_ONCE = 1 << 18  # numbers: of few samples and resamples, several classes


class Passed(NamedTuple):
    """What lies at or above each threshold, from the highest: samples of the class, and all samples.

    Both of shape (n_thresholds, ..., n_resamples); the last threshold passes every sample.
    """

    hits: Counts
    samples: Counts


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores and truth of some classes, each against all others.

    Parameters
    ----------
    truth : ndarray of shape (n_classes, n_samples), bool
    scores : ndarray of shape (n_classes, n_samples)
    """

    truth: NDArray[np.bool_]
    scores: Values

    def total(self, rows: Rows) -> Values:
        """Return the area under the ROC curve of each class, then its average precision; NaN where it has none.

        Parameters
        ----------
        rows : ndarray of shape (n_drawn, n_resamples), integer

        Returns
        -------
        ndarray of shape (2 * n_classes, n_resamples)

        Notes
        -----
        Counts are integers, so the area (Fawcett, 2006) is exact but for one division; the average precision sums
        precision times the step of recall over the thresholds, as in scikit-learn.
        """
        n_samples, n_resamples = self.scores.shape[1], rows.shape[1]
        places = rows * n_resamples + np.arange(n_resamples)
        drawn = np.bincount(places.ravel(), minlength=n_samples * n_resamples).reshape(n_samples, n_resamples)
        areas = np.empty((2, len(self.scores), n_resamples))
        at_once = max(1, COUNTED_AT_ONCE // drawn.size)
        for first in range(0, len(self.scores), at_once):
            for classes, passed in self._passed(range(first, min(first + at_once, len(self.scores))), drawn):
                areas[0, classes], areas[1, classes] = roc_area(passed), average_precision(passed)
        return areas.reshape(-1, n_resamples)

    def passed(self, position: int, drawn: Counts) -> Passed:
        """Return what passes each distinct score of a class, each sample counted as often as it was drawn."""
        ((_, passed),) = self._passed(range(position, position + 1), drawn)
        return Passed(passed.hits[:, 0], passed.samples[:, 0])

    def _passed(self, classes: range, drawn: Counts) -> Iterator[tuple[Positions, Passed]]:
        """Yield the same for several classes at once, if they have equally many distinct scores."""
        scores, truth = (each[classes.start : classes.stop] for each in (self.scores, self.truth))
        order = np.argsort(np.negative(scores), axis=1)  # among equal scores only the last counts, whichever it is
        ordered = np.take_along_axis(scores, order, axis=1)
        is_end = np.append(ordered[:, 1:] != ordered[:, :-1], np.ones((len(scores), 1), bool), axis=1)
        counted = drawn[order]
        hits = np.cumsum(np.where(np.take_along_axis(truth, order, axis=1)[..., np.newaxis], counted, 0), axis=1)
        samples = np.cumsum(counted, axis=1)
        n_thresholds = np.count_nonzero(is_end, axis=1)
        for n in np.unique(n_thresholds):
            alike = np.flatnonzero(n_thresholds == n)
            ends = np.nonzero(is_end[alike])[1].reshape(len(alike), n).T
            yield alike + classes.start, Passed(hits[alike, ends], samples[alike, ends])


def rank(task: Task, targets: Array, outputs: Values) -> Ranking:
    """Return the ranking of a classification, with two classes only the second's, or of a multi-label task."""
    if task == "multilabel":
        return Ranking(targets.T > 0, outputs.T)
    classes = np.arange(outputs.shape[1])[-1:] if outputs.shape[1] == 2 else np.arange(outputs.shape[1])
    return Ranking(targets == classes[:, np.newaxis], outputs.T[classes])


def roc_area(passed: Passed) -> Values:
    """Return the area under the ROC curve: the share of pairs, one of the class, one not, in the right order."""
    others = passed.samples - passed.hits
    steps = np.diff(others, axis=0, prepend=0)
    before = passed.hits - np.diff(passed.hits, axis=0, prepend=0)
    pairs = passed.hits[-1] * others[-1]
    return ratio(sum_by_halves(steps * (passed.hits + before)), 2 * pairs)


def average_precision(passed: Passed) -> Values:
    """Return the mean of the precision over the samples of the class."""
    precision = ratio(passed.hits, passed.samples)
    steps = np.diff(passed.hits, axis=0, prepend=0)
    return ratio(sum_by_halves(np.where(steps > 0, steps * precision, 0.0)), passed.hits[-1])
