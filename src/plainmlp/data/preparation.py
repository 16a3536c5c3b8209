"""The way from raw features to a network's inputs, and from its outputs back to targets, fitted on the train part."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plainmlp.config.schema import Choice, Missing
from plainmlp.data.arrays import Array, Column, Description, Part, columns_from_records
from plainmlp.data.encoding import (
    are_numeric,
    decode_frame,
    encode_frame,
    fill_missing,
    fit_fill_values,
    fit_input_names,
)
from plainmlp.data.scaling import Scaling, fit_scaling
from plainmlp.data.stored import StoredRows

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Preparation:
    """How raw features become the inputs of a network, and how targets are scaled.

    Parameters
    ----------
    columns : tuple of Column
        The raw features.
    input_names : tuple of str
        A column of numbers keeps its name and place; a category becomes ``name=value``, once for each of its values.
    fill_values : ndarray of shape (n_columns,), float64, optional
        What stands in for a missing value of each column; None refuses missing values.
    input_scaling : Scaling
        Of the columns of numbers, in order.
    target_scaling : Scaling, optional
        Of the targets of a regression.
    """

    columns: tuple[Column, ...]
    input_names: tuple[str, ...]
    fill_values: NDArray[np.float64] | None
    input_scaling: Scaling
    target_scaling: Scaling | None

    def inputs(self, features: Array, dtype: DTypeLike) -> Array:
        """Return the inputs of the network.

        Parameters
        ----------
        features : ndarray of shape (n_samples, n_columns), any numeric dtype
            Raw features; categories as positions, NaN where missing.
        dtype : float32 or float64
            Of the result.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
        """
        if isinstance(features, StoredRows):
            return features.converted(partial(self.inputs, dtype=dtype), len(self.input_names), dtype)
        filled = fill_missing(features, self.columns, self.fill_values)
        numeric = are_numeric(self.columns)
        if numeric.all():
            return self.input_scaling.apply(filled, dtype)
        prepared = np.zeros((len(features), len(self.input_names)), dtype)
        starts = self._starts()
        prepared[:, starts[numeric]] = self.input_scaling.apply(filled[:, numeric], dtype)
        for position in np.flatnonzero(~numeric):
            prepared[np.arange(len(features)), starts[position] + filled[:, position].astype(np.intp)] = 1
        return prepared

    def targets(self, targets: Array, dtype: DTypeLike) -> Array:
        """Return targets as a loss takes them: class indices as they are, else as `dtype` (scaled for a regression)."""
        if self.target_scaling is not None:
            return self.target_scaling.apply(targets, dtype)
        return targets if targets.dtype.kind in "iu" else targets.astype(dtype)

    def restore_targets(self, outputs: Array) -> Array:
        """Return the outputs of the network in the units of the raw targets, as float64 for a regression."""
        return outputs if self.target_scaling is None else self.target_scaling.invert(outputs)

    def from_frame(self, frame: "DataFrame") -> NDArray[np.float64]:
        """Return the raw features that a table holds under the names of the columns; its other columns are ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_columns), float64
        """
        features = encode_frame(self.columns, frame)
        fill_missing(features, self.columns, self.fill_values)
        return features

    def to_frame(self, features: Array) -> "DataFrame":
        """Return raw features as a table under the names of the columns, categories by their names."""
        return decode_frame(self.columns, features)

    def to_dict(self) -> dict[str, Any]:
        """Return the preparation as JSON can hold it, no number rounded."""
        return {
            "columns": [asdict(column) for column in self.columns],
            "input_names": list(self.input_names),
            "fill_values": None if self.fill_values is None else self.fill_values.tolist(),
            "input_scaling": self.input_scaling.to_dict(),
            "target_scaling": None if self.target_scaling is None else self.target_scaling.to_dict(),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Preparation":
        """Return the preparation that `to_dict` described."""
        fill_values, target_scaling = record["fill_values"], record["target_scaling"]
        return cls(
            columns=columns_from_records(record["columns"]),
            input_names=tuple(record["input_names"]),
            fill_values=None if fill_values is None else np.array(fill_values, np.float64),
            input_scaling=Scaling.from_dict(record["input_scaling"]),
            target_scaling=None if target_scaling is None else Scaling.from_dict(target_scaling),
        )

    def _starts(self) -> NDArray[np.intp]:
        """Return the place of each column's first input."""
        widths = [1 if column.categories is None else len(column.categories) for column in self.columns]
        return np.cumsum([0, *widths[:-1]])


def fit_preparation(
    train: Part,
    description: Description,
    *,
    missing: Missing,
    scaling: str | Choice,
    target_scaling: str | Choice,
) -> Preparation:
    """Fit a preparation to the train part.

    Parameters
    ----------
    train : Part
        Raw features and targets.
    description : Description
        What they mean.
    missing : {"refuse", "mean", "median"}
        What to put where a number is missing; a category gets its most frequent value.
    scaling, target_scaling : str or Choice
        Entries of `SCALINGS`; that of the targets serves a regression only.
    """
    columns = description.columns
    fill_values = None if missing == "refuse" else fit_fill_values(train.features, columns, missing)
    filled, numeric = fill_missing(train.features, columns, fill_values), are_numeric(columns)
    return Preparation(
        columns=columns,
        input_names=fit_input_names(columns),
        fill_values=fill_values,
        input_scaling=_fit(scaling, filled if numeric.all() else filled[:, numeric]),
        target_scaling=_fit(target_scaling, train.targets) if description.task == "regression" else None,
    )


def _fit(scaling: str | Choice, values: Array) -> Scaling:
    if isinstance(scaling, str):
        return fit_scaling(scaling, {}, values)
    return fit_scaling(scaling.name, scaling.options, values)
