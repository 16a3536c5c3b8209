"""Columns of a table as numbers: what each one holds is found out, checked and encoded."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Column
from plainmlp.data.reading import Cells
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

if TYPE_CHECKING:
    from pandas import Series

Kind = Literal["integer", "real", "boolean", "label"]
MOST_CATEGORIES = 1000

_INFERRED_KINDS: dict[str, Kind] = {
    "string": "label",
    "boolean": "boolean",
    "integer": "integer",
    "floating": "real",
    "mixed-integer-float": "real",
    "decimal": "real",
    "empty": "real",
}


def column_kind(cells: Cells, name: str, *, refuse_stray_text: bool = True) -> Kind:
    """Find out what a column holds.

    Parameters
    ----------
    name : str
        The column.
    refuse_stray_text : bool, default True
        Whether a text column of an untyped source, most of whose cells are numbers, is a mistake.
    """
    values = cells.frame[name]
    kind = _typed_kind(values)
    if kind is None:
        message = (
            f"{cells.source}: column {shown(name)} holds {_inferred(values)} ({values.dtype}); "
            "allowed: numbers, texts, categories, true and false"
        )
        raise InputError(message)
    if kind == "label" and cells.lines is not None and refuse_stray_text:
        is_text = _text_cells(values)
        if 0 < is_text.sum() < values.notna().sum() / 2:
            raise _no_number(cells, name, is_text)
    return kind


def numbers(cells: Cells, name: str) -> NDArray[np.float64]:
    """Return a column of numbers, or of true and false, as float64 with NaN for what is missing."""
    if column_kind(cells, name) == "label":
        raise _no_number(cells, name, _text_cells(cells.frame[name]))
    values = cells.frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        row = int(infinite[0])
        message = f"{cells.source}: column {shown(name)} is {values[row]} in {cells.place(row)}; numbers must be finite"
        raise InputError(message)
    return values


def labels(cells: Cells, name: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return a column as positions in its sorted distinct labels, -1 for what is missing."""
    from pandas import factorize

    codes, distinct = factorize(cells.frame[name].astype(object), sort=True)
    if len(distinct) > MOST_CATEGORIES:
        message = (
            f"{cells.source}: column {shown(name)} holds {len(distinct)} different labels in {len(codes)} rows; "
            f"at most {MOST_CATEGORIES} are allowed: leave out a column that only names its rows"
        )
        raise InputError(message)
    return codes, tuple(label_text(label) for label in distinct)


def label_text(label: object) -> str:
    """Return a label as text: a whole number without a decimal point, all else as it prints."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def encode_feature(cells: Cells, name: str) -> tuple[Column, NDArray[np.float64]]:
    """Encode one feature column.

    Returns
    -------
    column : Column
    values : ndarray of shape (n_rows,), float64
        Numbers, or positions in `column.categories`; NaN for what is missing.
    """
    if bool(cells.frame[name].isna().all()):
        message = f"{cells.source}: column {shown(name)} has no value in any row; leave the column out"
        raise InputError(message)
    if column_kind(cells, name) != "label":
        return Column(name), numbers(cells, name)
    codes, categories = labels(cells, name)
    return Column(name, categories), np.where(codes < 0, np.nan, codes)


def _typed_kind(values: "Series") -> Kind | None:
    from pandas import CategoricalDtype
    from pandas.api import types

    if isinstance(values.dtype, CategoricalDtype):
        return "label"
    if types.is_bool_dtype(values.dtype):
        return "boolean"
    if types.is_integer_dtype(values.dtype):
        return "integer"
    return "real" if types.is_float_dtype(values.dtype) else _INFERRED_KINDS.get(_inferred(values))


def _inferred(values: "Series") -> str:
    from pandas.api import types

    return types.infer_dtype(values, skipna=True)


def _text_cells(values: "Series") -> NDArray[np.bool_]:
    """Say which cells are there and are no numbers."""
    from pandas import to_numeric

    parsed = to_numeric(values.astype(object), errors="coerce")
    return (parsed.isna() & values.notna()).to_numpy()


def _no_number(cells: Cells, name: str, is_text: NDArray[np.bool_]) -> InputError:
    row = int(np.argmax(is_text))
    return InputError(
        f"{cells.source}: column {shown(name)} has the text {shown(cells.frame[name].iloc[row])} where numbers belong, "
        f"in {cells.place(row)}; allowed: a number"
    )
