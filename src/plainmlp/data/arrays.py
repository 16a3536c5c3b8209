"""Fetched data: arrays, and a description of them that JSON can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from plainmlp.config.schema import Dates, Unknown
from plainmlp.data.dates import DATE_PARTS
from plainmlp.data.stored import StoredRows

Task = Literal["classification", "multilabel", "regression"]
Array = NDArray[Any]


@dataclass(frozen=True)
class Column:
    """One raw feature: its name and, for a category, its allowed values.

    A category is stored in `features` as its position in `categories`, a date as days since 1970-01-01, a missing value
    as NaN.

    Parameters
    ----------
    rare : tuple of str
        Levels that were joined into the last category.
    unknown : {"refuse", "missing", "rare"}, default "refuse"
        What becomes of any other level.
    dates : {"parts", "days"}, optional
        The column holds dates, which become year, month and day of the week, or stay days.
    date_format : str, optional
        How texts write the dates, see `plainmlp.data.dates`.
    """

    name: str
    categories: tuple[str, ...] | None = None
    rare: tuple[str, ...] = ()
    unknown: Unknown = "refuse"
    dates: Dates | None = None
    date_format: str | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """Return its inputs: a number by its name, a category as ``name=value``, a date's parts as ``name.part``."""
        if self.dates == "parts":
            return tuple(f"{self.name}.{part}" for part in DATE_PARTS)
        return (self.name,) if self.categories is None else tuple(f"{self.name}={value}" for value in self.categories)

    @property
    def rare_place(self) -> int:
        """Return the place of rare levels among the categories, -1 if there are none."""
        return len(self.categories or ()) - 1 if self.rare else -1

    @property
    def places(self) -> dict[str, int]:
        """Return the place of each level among the categories."""
        levels = self.categories or ()
        known = levels[:-1] if self.rare else levels
        return {level: place for place, level in enumerate(known)} | dict.fromkeys(self.rare, self.rare_place)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON can hold it, without fields at their default."""
        return {name: value for name, value in vars(self).items() if name not in _USUAL or value != _USUAL[name]}


_USUAL = {field.name: field.default for field in fields(Column) if field.name not in {"name", "categories"}}


@dataclass(frozen=True)
class Description:
    """Say what the columns of a data set mean; travels with the splits and the trained model.

    Parameters
    ----------
    name : str
        The data set's name in `DATASETS`.
    columns : tuple of Column
        The raw features, in order.
    target_names : tuple of str
        One for each target column (one for a classification).
    class_names : tuple of str
        The label of each class index; empty unless the task is a classification.
    image_shape : tuple of int, optional
        Height and width, where a row of features is an image.
    """

    name: str
    task: Task
    columns: tuple[Column, ...]
    target_names: tuple[str, ...]
    class_names: tuple[str, ...] = ()
    image_shape: tuple[int, int] | None = None

    @property
    def output_names(self) -> tuple[str, ...]:
        """Return what the outputs stand for: the classes, else the targets."""
        return self.class_names or self.target_names

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON can hold it."""
        return {**vars(self), "columns": [column.to_dict() for column in self.columns]}


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set.

    Parameters
    ----------
    features : ndarray of shape (n_samples, n_columns), any numeric dtype
        `StoredRows` stand in for arrays that are too large for memory.
    targets : ndarray
        Class indices of shape (n_samples,) for a classification, int64 unless the features are stored; else float64
        of shape (n_samples, n_targets), zeros and ones for a multi-label task.
    weights : ndarray of shape (n_samples,), float64, optional
        How much each sample counts, at least 0.
    rows : ndarray of shape (n_samples,), integer, optional
        Which rows of their source these are, from 0; without it all of them, in order.
    ids : ndarray of shape (n_samples,), integer or text, optional
        What the source calls each sample.
    """

    features: Array
    targets: Array
    weights: Array | None = None
    rows: NDArray[np.integer[Any]] | None = None
    ids: Array | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.features)

    def take(self, rows: NDArray[np.integer[Any]]) -> "Part":
        """Return the given rows, in the given order."""
        features: Any = self.features
        taken: Any = features.select(rows) if isinstance(features, StoredRows) else features[rows]
        weights, ids = (None if each is None else each[rows] for each in (self.weights, self.ids))
        return Part(taken, self.targets[rows], weights, rows if self.rows is None else self.rows[rows], ids)


@dataclass(frozen=True, eq=False)
class Dataset:
    """All rows of a data set, what they mean, and notes for the user."""

    rows: Part
    description: Description
    notes: tuple[str, ...] = ()


@cache
def adapter_of(kind: type) -> TypeAdapter[Any]:
    """Return what reads and writes a dataclass; it takes 10 ms to make."""
    return TypeAdapter(kind)


def description_from_dict(record: Mapping[str, Any]) -> Description:
    """Return the description whose `to_dict` gave a record, even if that went through JSON."""
    description: Description = adapter_of(Description).validate_python(record)
    return description
