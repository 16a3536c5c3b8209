"""From raw features to a network's inputs, and from its outputs back to targets, fitted on the train part."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from plainmlp.config.schema import Missing, SplitSection
from plainmlp.data.arrays import Array, Column, Description, Part, adapter_of
from plainmlp.data.cells import Cells, check_column, check_names, listed
from plainmlp.data.columns import label_text, numbers
from plainmlp.data.dates import days_of, parts_of_dates, write_dates
from plainmlp.data.scaling import Scaling, Vector, fit_scaling
from plainmlp.data.stored import StoredRows
from plainmlp.data.sums import sum_by_halves
from plainmlp.system.errors import InputError
from plainmlp.system.wording import near_match, shown

if TYPE_CHECKING:
    from pandas import DataFrame, Series

TABLE = "the table"  # as messages name it


@dataclass(frozen=True, eq=False)
class Preparation:
    """How raw features become the inputs of a network, and how targets are scaled.

    Parameters
    ----------
    columns : tuple of Column
        The raw features.
    input_names : tuple of str
        A column of numbers keeps its name and place; a category becomes ``name=value``, once for each of its values; a
        date that becomes its parts ``name.part``.
    fill_values : ndarray of shape (n_columns,), float64, optional
        What replaces a missing value of each column; None refuses missing values.
    input_scaling : Scaling
        Of the columns of numbers and of dates, in order.
    target_scaling : Scaling, optional
        Of the targets of a regression.
    """

    columns: tuple[Column, ...]
    input_names: tuple[str, ...]
    fill_values: Vector | None
    input_scaling: Scaling
    target_scaling: Scaling | None

    def inputs(self, features: Array, dtype: DTypeLike) -> Array:
        """Return the inputs of the network, of shape (n_samples, n_inputs).

        Parameters
        ----------
        features : ndarray of shape (n_samples, n_columns), any numeric dtype
            Raw features; categories as positions, NaN where missing.
        dtype : float32 or float64
            Of the result.
        """
        if isinstance(features, StoredRows):
            return features.converted(partial(self.inputs, dtype=dtype), len(self.input_names), dtype)
        filled = fill_missing(features, self.columns, self.fill_values)
        values = filled if self.is_plain else numbers_of(filled, self.columns)
        scaled = self.input_scaling.apply(values, dtype, self._number_names)
        if scaled.shape[1] == len(self.input_names):
            return scaled
        prepared = np.zeros((len(features), len(self.input_names)), dtype)
        numeric = np.array([column.categories is None for column in self.columns])
        widths = np.array([len(column.input_names) for column in self.columns])
        prepared[:, np.repeat(numeric, widths)] = scaled
        starts = np.cumsum(widths) - widths
        for position in np.flatnonzero(~numeric):
            codes = filled[:, position].astype(np.intp)
            (known,) = np.nonzero(codes >= 0)  # all inputs of a level that is neither known nor rare are 0
            prepared[known, starts[position] + codes[known]] = 1
        return prepared

    def targets(self, targets: Array, dtype: DTypeLike) -> Array:
        """Return targets as a loss takes them: class indices unchanged, else as `dtype` (scaled for a regression)."""
        if self.target_scaling is not None:
            return self.target_scaling.apply(targets, dtype)
        return targets if targets.dtype.kind in "iu" else targets.astype(dtype)

    def restore_targets(self, outputs: Array) -> Array:
        """Return the outputs of the network in the units of the raw targets, as float64 for a regression."""
        return outputs if self.target_scaling is None else self.target_scaling.invert(outputs)

    def from_frame(self, frame: "DataFrame") -> NDArray[np.float64]:
        """Return the raw features that a table holds under the names of the columns; its other columns are ignored.

        A missing column is a gap in every row, unless another has almost its name, or all are missing.
        """
        wanted = {column.name for column in self.columns}
        check_names([name for name in frame.columns if name in wanted], TABLE)
        features = np.full((len(frame), len(self.columns)), np.nan)
        names = [str(name) for name in frame.columns]
        others = [name for name in names if name not in wanted]
        may_lack = self.fill_values is not None and len(others) < len(names)
        for position, column in enumerate(self.columns):
            if not may_lack or column.name in names or near_match(column.name, others):
                check_column("feature", column.name, names, TABLE)
                features[:, position] = _values(frame, column)
        fill_missing(features, self.columns, self.fill_values)
        return features

    def to_frame(self, features: Array) -> "DataFrame":
        """Return raw features as a table: numbers as float64, categories by their names, dates as texts, None where missing."""
        from pandas import DataFrame

        pairs = zip(self.columns, features.T, strict=True)
        return DataFrame({column.name: _readable(column, values) for column, values in pairs})

    def to_dict(self) -> dict[str, Any]:
        """Return the preparation as JSON can hold it, no number rounded."""
        record: dict[str, Any] = adapter_of(Preparation).dump_python(self, exclude={"columns"})
        return {"columns": tuple(column.to_dict() for column in self.columns), **record}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Preparation":
        """Return the preparation that `to_dict` described.

        Raises
        ------
        ValueError
            The record is not a preparation, or its parts do not fit together.
        """
        preparation: Preparation = adapter_of(Preparation).validate_python(record)
        n_numbers = len(preparation._number_names)
        scaling, fill_values = preparation.input_scaling, preparation.fill_values
        shapes = {scaling.offset.shape, scaling.scale.shape}
        are_filled = fill_values is None or fill_values.shape == (len(preparation.columns),)
        if (
            preparation.input_names != fit_input_names(preparation.columns)
            or shapes != {(n_numbers,)}
            or not are_filled
        ):
            message = "columns, inputs and scaling do not fit together"
            raise ValueError(message)
        return preparation

    @cached_property
    def is_plain(self) -> bool:
        """Whether every raw feature is a number and, once scaled, an input."""
        return all(column.categories is None and column.dates is None for column in self.columns)

    @cached_property
    def _number_names(self) -> list[str]:
        return [name for column in self.columns if column.categories is None for name in column.input_names]


def fit_preparation(train: Part, description: Description, split: SplitSection, missing: Missing) -> Preparation:
    """Fit a preparation to the train part.

    Parameters
    ----------
    split : SplitSection
        Only its `scaling` and `target_scaling` are read; targets are scaled only for a regression.
    missing : {"refuse", "mean", "median"}
        What replaces a missing number; for a category it is the most frequent value.
    """
    columns = description.columns
    fill_values = None if missing == "refuse" else fit_fill_values(train.features, columns, missing)
    filled = fill_missing(train.features, columns, fill_values)
    return Preparation(
        columns=columns,
        input_names=fit_input_names(columns),
        fill_values=fill_values,
        input_scaling=fit_scaling(split.scaling, numbers_of(filled, columns)),
        target_scaling=fit_scaling(split.target_scaling, train.targets) if description.task == "regression" else None,
    )


def numbers_of(features: Array, columns: tuple[Column, ...]) -> Array:
    """Return the columns of numbers, and dates as days or as their parts; the same array if it has nothing else."""
    numeric = [column.categories is None for column in columns]
    if all(column.dates != "parts" for column in columns):
        return features if all(numeric) else features[:, numeric]
    pieces = [
        parts_of_dates(values) if column.dates == "parts" else values[:, np.newaxis]
        for column, values in zip(columns, features.T, strict=True)
        if column.categories is None
    ]
    return np.hstack(pieces)


def fit_fill_values(features: Array, columns: tuple[Column, ...], strategy: str) -> NDArray[np.float64]:
    """Return what replaces missing values; for a category its most frequent value, the first of several."""
    empty = np.flatnonzero(np.isnan(features).all(axis=0))
    if empty.size:
        message = f"column {shown(columns[empty[0]].name)} has no value in the train part; leave the column out"
        raise InputError(message)
    rules = [strategy if column.categories is None else "most_frequent" for column in columns]
    present = (column[~np.isnan(column)] for column in features.T)
    return np.array([_fill_value(rule, values) for rule, values in zip(rules, present, strict=True)])


def _fill_value(rule: str, values: Array) -> float:
    if rule == "mean":
        return float(sum_by_halves(values)) / len(values)
    if rule == "median":
        ordered = np.sort(values)
        return float(ordered[(len(values) - 1) // 2] / 2 + ordered[len(values) // 2] / 2)
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[np.argmax(counts)])


def fill_missing(features: Array, columns: tuple[Column, ...], fill_values: NDArray[np.float64] | None) -> Array:
    """Return features without gaps; the same array if nothing is missing."""
    if isinstance(features, StoredRows):  # they were checked when they were fetched
        return features
    missing = np.isnan(features) if features.dtype.kind == "f" else np.zeros((1, 1), dtype=bool)
    if not missing.any():
        return features
    if fill_values is None:
        row, position = np.argwhere(missing)[0]
        message = (
            f"column {shown(columns[position].name)} has no value in row {row + 1}; allowed: no gaps, "
            "unless the network is trained with dataset.missing as mean or median"
        )
        raise InputError(message)
    return np.where(missing, fill_values, features)


def fit_input_names(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the names of the inputs of all columns."""
    return tuple(name for column in columns for name in column.input_names)


def _values(frame: "DataFrame", column: Column) -> NDArray[np.float64]:
    """Return the raw features that a table holds in a column."""
    cells = Cells(frame, TABLE)
    if column.dates is not None:
        return days_of(cells, column.name, column.date_format)
    return numbers(cells, column.name) if column.categories is None else _positions(frame, column)


def _positions(frame: "DataFrame", column: Column) -> NDArray[np.float64]:
    """Return the place of each value among the categories of a column, NaN where it is missing."""
    from pandas import factorize

    codes, distinct = factorize(frame[column.name].astype(object))
    texts, places = [label_text(label) for label in distinct], column.places
    unknown = next((text for text in texts if text not in places), None)
    if unknown is not None and column.unknown == "refuse":
        message = (
            f"{TABLE}: column {shown(column.name)} has the unknown value {shown(unknown)} (allowed: "
            f"{listed(list(places))}); a network trained with dataset.unknown=missing or rare accepts it"
        )
        raise InputError(message)
    other = np.nan if column.unknown == "missing" else column.rare_place
    return np.array([*(places.get(text, other) for text in texts), np.nan])[codes]


def _readable(column: Column, values: Array) -> "Series[Any]":
    from pandas import Series

    if column.dates is not None:
        return Series(write_dates(values, column.date_format), dtype=object)
    if column.categories is None:
        return Series(values.astype(np.float64))
    levels = (*column.categories[:-1], column.rare[0]) if column.rare else column.categories
    return Series([None if np.isnan(value) else levels[int(value)] for value in values], dtype=object)
