"""Mean and standard deviation of the columns of rows that are read some at a time, with scikit-learn's bits."""

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.stored import Array, StoredRows

Vector = NDArray[np.float64]


def stored_moments(values: StoredRows) -> tuple[Vector, Vector]:
    """Return what `sklearn.preprocessing.StandardScaler` finds: the mean and the scale of each column.

    Parameters
    ----------
    values : StoredRows of shape (n_samples, n_columns)
        Of at least two columns: the numbers of one alone NumPy sums in another order.

    Notes
    -----
    Two passes: the mean, then the squared deviations, less the square of their own sum, which is zero but for rounding
    (Chan, Golub and LeVeque, 1983). The scale of a column whose variance is no more than rounding makes of a constant
    one is 1; it is infinite where the variance overflows.
    """
    n_samples = len(values)
    total, deviation, squares = np.zeros((3, values.shape[1]))
    for rows in values.pieces():
        total = _added(total, rows.astype(np.float64))
    mean = total / n_samples
    for rows in values.pieces():
        deviations = rows - mean
        deviation, squares = _added(deviation, deviations), _added(squares, deviations**2)
    variance = (squares - deviation**2 / n_samples) / n_samples
    rounding = np.finfo(np.float64).eps
    is_constant = variance <= n_samples * rounding * variance + (n_samples * mean * rounding) ** 2
    scale = np.where(is_constant, 1.0, np.sqrt(variance))
    return mean, np.where(np.isfinite(variance), scale, np.inf)


def _added(total: Vector, rows: Array) -> Vector:
    """Return a total with rows added one after another, as NumPy sums the rows of one array."""
    added: Vector = np.add.reduce(np.concatenate([total[np.newaxis], rows]), axis=0)
    return added
