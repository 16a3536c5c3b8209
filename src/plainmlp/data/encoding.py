"""The steps between a table and numbers without gaps: imputation, categories as inputs, and tables met later."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Column
from plainmlp.data.columns import label_text, numbers
from plainmlp.data.reading import Cells, check_column, check_names, listed
from plainmlp.data.stored import StoredRows
from plainmlp.data.sums import sum_by_halves
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

if TYPE_CHECKING:
    from pandas import DataFrame, Series

TABLE = "the table"


def are_numeric(columns: tuple[Column, ...]) -> NDArray[np.bool_]:
    """Say of each column whether it holds numbers (and not a category)."""
    return np.array([column.categories is None for column in columns])


def fit_fill_values(features: Array, columns: tuple[Column, ...], strategy: str) -> NDArray[np.float64]:
    """Find what to put where a value is missing.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_columns)
        Raw features of the train part, NaN where missing.
    strategy : {"mean", "median"}
        For numbers; a category gets its most frequent value, the first of them where several are.
    """
    empty = np.flatnonzero(np.isnan(features).all(axis=0))
    if empty.size:
        message = f"column {shown(columns[empty[0]].name)} has no value in the train part; leave the column out"
        raise InputError(message)
    rules = [strategy if column.categories is None else "most_frequent" for column in columns]
    present = (column[~np.isnan(column)] for column in features.T)
    return np.array([_FILL_VALUES[rule](values) for rule, values in zip(rules, present, strict=True)])


def _mean(values: Array) -> float:
    return float(sum_by_halves(values)) / len(values)


def _median(values: Array) -> float:
    ordered = np.sort(values)
    return float(ordered[(len(values) - 1) // 2] / 2 + ordered[len(values) // 2] / 2)


def _most_frequent(values: Array) -> float:
    distinct, counts = np.unique(values, return_counts=True)
    return float(distinct[np.argmax(counts)])


_FILL_VALUES = {"mean": _mean, "median": _median, "most_frequent": _most_frequent}


def fill_missing(features: Array, columns: tuple[Column, ...], fill_values: NDArray[np.float64] | None) -> Array:
    """Return features without gaps: the very same array where nothing is missing."""
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
    """Name the inputs: a number by its column, a category as ``column=value``, once for each of its values."""
    names: list[str] = []
    for column in columns:
        names.extend(
            (column.name,) if column.categories is None else (f"{column.name}={value}" for value in column.categories)
        )
    return tuple(names)


def encode_frame(columns: tuple[Column, ...], frame: "DataFrame") -> NDArray[np.float64]:
    """Return the raw features that a table holds under the names of the columns, NaN where missing."""
    wanted = {column.name for column in columns}
    check_names([name for name in frame.columns if name in wanted], TABLE)
    features = np.empty((len(frame), len(columns)))
    names = [str(name) for name in frame.columns]
    for position, column in enumerate(columns):
        check_column("feature", column.name, names, TABLE)
        if column.categories is None:
            features[:, position] = numbers(Cells(frame, TABLE), column.name)
        else:
            features[:, position] = _positions(frame[column.name], column.name, column.categories)
    return features


def _positions(values: "Series", name: str, categories: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the place of each value among the categories, NaN where it is missing."""
    from pandas import factorize

    codes, distinct = factorize(values.astype(object))
    places = {category: float(place) for place, category in enumerate(categories)}
    unknown = [label_text(label) for label in distinct if label_text(label) not in places]
    if unknown:
        allowed = listed(categories)
        message = f"{TABLE}: column {shown(name)} has the unknown value {shown(unknown[0])} (allowed: {allowed})"
        raise InputError(message)
    return np.array([*(places[label_text(label)] for label in distinct), np.nan])[codes]


def decode_frame(columns: tuple[Column, ...], features: Array) -> "DataFrame":
    """Return raw features as a table: numbers as float64, categories by their names, None where missing."""
    from pandas import DataFrame, Series

    values = {
        column.name: Series(cells.astype(np.float64)) if column.categories is None else _names(column.categories, cells)
        for column, cells in zip(columns, features.T, strict=True)
    }
    return DataFrame(values)


def _names(categories: tuple[str, ...], codes: Array) -> "Series[str]":
    from pandas import Series

    return Series([None if np.isnan(code) else categories[int(code)] for code in codes], dtype=object)
