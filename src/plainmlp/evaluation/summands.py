"""What samples add to the totals that metrics are made of: of a whole part, of its pieces and of its resamples alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.sums import sum_by_halves

Values = NDArray[np.float64]
Rows = NDArray[np.integer[Any]]


class Summand(Protocol):
    """What each sample adds to one or more totals."""

    def total(self, rows: Rows) -> Values:
        """Return the totals over drawn rows.

        Parameters
        ----------
        rows : ndarray of shape (n_drawn, n_resamples), integer

        Returns
        -------
        ndarray of shape (n_totals, n_resamples)
        """

    @staticmethod
    def join(totals: Sequence[Values]) -> Values:
        """Return the totals over several pieces of a part from those over each."""


@dataclass(frozen=True, eq=False)
class Sum:
    """Sums of numbers, added by halves.

    Parameters
    ----------
    values : ndarray of shape (n_totals, n_samples)
    """

    values: NDArray[Any]

    def total(self, rows: Rows) -> Values:
        """Return the sums over drawn rows."""
        return np.stack([sum_by_halves(of_samples.take(rows)) for of_samples in self.values])

    @staticmethod
    def join(totals: Sequence[Values]) -> Values:
        """Return the sums over all pieces, added by halves."""
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
class Largest:
    """The largest of numbers, in place of their sum.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
    """

    values: NDArray[Any]

    def total(self, rows: Rows) -> Values:
        """Return the largest value of the drawn rows."""
        largest: Values = self.values.take(rows).max(axis=0, keepdims=True)
        return largest

    @staticmethod
    def join(totals: Sequence[Values]) -> Values:
        """Return the largest value of all pieces."""
        largest: Values = np.max(totals, axis=0)
        return largest
