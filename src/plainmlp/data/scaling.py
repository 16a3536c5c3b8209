"""Scalings: an offset and a scale for each column, fitted on the train part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydantic import PlainSerializer, PlainValidator

from plainmlp.config.schema import Choice
from plainmlp.data.arrays import Array
from plainmlp.data.stored import StoredRows
from plainmlp.data.sums import column_sums
from plainmlp.nn.options import Option, fill_options
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

Vector = Annotated[  # in a record a list, no number of it rounded
    NDArray[np.float64],
    PlainValidator(lambda numbers: np.array(numbers, np.float64)),
    PlainSerializer(np.ndarray.tolist),
]
ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class Scaling:
    """Map columns of numbers to ``(values - offset) / scale``.

    Parameters
    ----------
    offset, scale : ndarray of shape (n_columns,), float64
        Finite; the scale is not 0.
    """

    offset: Vector
    scale: Vector

    def apply(self, values: Array, dtype: DTypeLike, names: Sequence[str] = ()) -> Array:
        """Return the scaled values.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_columns), any numeric dtype
        dtype : float32 or float64
            Of the result. The arithmetic is float64, some rows at a time, which avoids a second array of all rows.
        names : sequence of str, optional
            Of the columns; without names they are numbered, as targets.
        """
        scaled = np.empty(values.shape, dtype)
        try:
            with np.errstate(over="raise"):
                for start in range(0, len(values), ROWS_AT_ONCE):
                    rows = slice(start, start + ROWS_AT_ONCE)
                    np.divide(values[rows] - self.offset, self.scale, out=scaled[rows], casting="same_kind")
        except FloatingPointError:
            row, column = np.argwhere(~np.isfinite(scaled[rows]))[0]
            name = f"column {shown(names[column])}" if names else f"target {column + 1}"
            message = (
                f"{name} holds {values[rows][row, column]:g}, which is too large for {scaled.dtype} once it is "
                f"scaled; allowed: up to {np.finfo(scaled.dtype).max:.1e}; try another scaling, or training.dtype=float64"
            )
            raise InputError(message) from None
        return scaled

    def invert(self, values: Array) -> NDArray[np.float64]:
        """Return what the scaled values stand for, ``values * scale + offset``, as float64."""
        return np.asarray(values, np.float64) * self.scale + self.offset


class ScalingEntry(NamedTuple):
    """A kind of scaling: `fit` returns the offset and the scale of values."""

    fit: Callable[..., tuple[Vector, Vector]]
    options: Mapping[str, Option] = {}


def fit_scaling(scaling: Choice, values: Array) -> Scaling:
    """Fit a scaling to the columns of the train part; the scale of a column that does not vary is 1.

    Parameters
    ----------
    scaling : Choice
        A name in `SCALINGS`, and the entry's options that differ from their default.
    values : ndarray of shape (n_samples, n_columns), any numeric dtype
        Nothing is missing.
    """
    if not values.shape[1]:
        return Scaling(np.empty(0), np.empty(0))  # of categories alone
    entry = SCALINGS[scaling.name]
    with np.errstate(over="ignore", invalid="ignore"):
        offset, scale = entry.fit(values, **fill_options(entry.options, scaling.options))
    wrong = np.flatnonzero(~(np.isfinite(offset) & np.isfinite(scale)))
    if wrong.size:
        message = (
            f"scaling {scaling.name!r}: the numbers in column {wrong[0] + 1} are too large; allowed: up to about 1e150"
        )
        raise InputError(message)
    return Scaling(offset, scale)


def _standard(values: Array) -> tuple[Vector, Vector]:
    """Subtract the mean and divide by the standard deviation of the train part (without Bessel's correction).

    Two passes: the mean, then the squared deviations, minus the square of their own sum, which is zero but for rounding
    (Chan, Golub and LeVeque, 1983). A column whose variance can be explained by rounding counts as constant and has the
    scale 1; if the variance overflows, the scale is infinite.
    """
    n_samples = len(values)
    mean = column_sums(values) / n_samples
    deviation, squares = np.split(column_sums(values, lambda rows: _deviations(rows, mean)), 2)
    variance = (squares - deviation * deviation / n_samples) / n_samples
    rounding = np.finfo(np.float64).eps
    is_constant = variance <= n_samples * rounding * variance + np.square(n_samples * mean * rounding)
    scale = np.where(is_constant, 1.0, np.sqrt(variance))
    return mean, np.where(np.isfinite(variance), scale, np.inf)


def _deviations(rows: Array, mean: Vector) -> Vector:
    """Return each row's deviations from the mean, followed by their squares."""
    deviations = rows - mean
    return np.hstack([deviations, np.square(deviations)])


def _minmax(values: Array) -> tuple[Vector, Vector]:
    """Map the smallest value to 0 and the largest to 1."""
    pieces = values.pieces() if isinstance(values, StoredRows) else [values]
    ends = np.array([(rows.min(axis=0), rows.max(axis=0)) for rows in pieces], np.float64)
    smallest = ends[:, 0].min(axis=0) + 0.0  # whether the minimum of 0 and -0 is 0 depends on the processor
    ranges = ends[:, 1].max(axis=0) - smallest
    return smallest, np.where(ranges == 0, 1.0, ranges)


def _divisor(values: Array, *, divisor: float = 1.0) -> tuple[Vector, Vector]:
    return np.zeros(values.shape[1]), np.full(values.shape[1], float(divisor))


SCALINGS: dict[str, ScalingEntry] = {
    "none": ScalingEntry(_divisor),  # by 1
    "standard": ScalingEntry(_standard),
    "minmax": ScalingEntry(_minmax),
    "divisor": ScalingEntry(_divisor, {"divisor": Option(255.0, minimum=0, open_minimum=True)}),
}
