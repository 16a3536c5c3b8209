"""Rows as users give them: dense or sparse, with weights, and some set aside for validation."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import Examples


class SparseRows:
    """Rows of a sparse matrix, made dense some at a time, when a network reads them.

    Parameters
    ----------
    matrix : sparse matrix or array of shape (n_rows, n_columns)
        In rows (CSR).
    """

    def __init__(self, matrix: Any) -> None:
        self._matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.shape[0])

    def __getitem__(self, rows: slice | Array) -> Array:
        """Return rows as a dense array."""
        return dense(self._matrix[rows])

    def take(self, indices: Array, axis: int = 0, out: None = None, mode: str = "raise") -> Array:
        """Return rows by their numbers, as `numpy.take` along the first axis, which gives the other arguments."""
        return self[indices]


class Rows(NamedTuple):
    """Rows that have been checked, still as scikit-learn holds them.

    Parameters
    ----------
    inputs : ndarray or sparse matrix of shape (n_samples, n_in)
    targets : ndarray
        Class indices (n_samples,), or values (n_samples, n_out).
    weights : ndarray of shape (n_samples,), optional
    """

    inputs: Any
    targets: Array
    weights: Array | None = None

    def take(self, rows: Array) -> "Rows":
        """Return rows by their numbers."""
        return Rows(self.inputs[rows], self.targets[rows], None if self.weights is None else self.weights[rows])

    def set_aside(self, share: float, seed: int) -> tuple["Rows", "Rows"]:
        """Return the rows to train on and those to validate with: drawn at random, classes in their proportions."""
        classes = self.targets if self.targets.ndim == 1 else None
        parts = train_test_split(np.arange(len(self.targets)), test_size=share, random_state=seed, stratify=classes)
        train, validation = (self.take(rows) for rows in parts)
        return train, validation._replace(weights=None)

    def examples(self) -> tuple[Examples, float]:
        """Return the rows as a network reads them, their weights with the mean 1, and the mean that they had."""
        if self.weights is None:
            return Examples(readable(self.inputs), self.targets), 1.0
        if self.weights.min() < 0 or not self.weights.any():
            message = (
                "sample_weight and class_weight make all weights zero, or one negative; allowed: at least 0, not all 0"
            )
            raise ValueError(message)
        mean = math.fsum(self.weights.tolist()) / len(self.weights)
        return Examples(readable(self.inputs), self.targets, self.weights / mean), mean


def dense(matrix: Any) -> Array:
    """Return a matrix as an array."""
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)


def readable(inputs: Any) -> Any:
    """Return inputs in the form that a network reads."""
    return SparseRows(inputs) if issparse(inputs) else inputs


def read_weights(sample_weight: Any, n_samples: int) -> Array:
    """Return the sample weights, of shape (n_samples,), float64; raise a ValueError if they are not such."""
    weights: Array = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (n_samples,):
        message = f"sample_weight of the shape {weights.shape} is not allowed: it must be ({n_samples},)"
        raise ValueError(message)
    return weights
