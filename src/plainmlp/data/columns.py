"""What a column of a table holds, and its values as numbers."""

import re
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column
from plainmlp.data.cells import Cells
from plainmlp.data.dates import TYPED, days_of, find_date_format
from plainmlp.system.errors import InputError
from plainmlp.system.wording import printable, shown

if TYPE_CHECKING:
    from pandas import Series

Kind = Literal["integer", "real", "boolean", "label"]
MAX_CATEGORIES = 1000
FEW_LEVELS = 10  # are allowed in any table; more only up to a tenth of the rows
QUOTE, ESCAPED = "'", r"\'"  # in a text of Hydra's grammar
RARE = "(rare)"  # the level that rare ones become

_KINDS: dict[str, Kind] = {  # by what pandas infers of a column
    "categorical": "label",
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
    refuse_stray_text : bool, default True
        Whether a text column of an untyped source, most of whose cells are numbers, is a mistake.
    """
    values = cells.frame[name]
    inferred = inferred_type(values)
    kind = _KINDS.get(inferred)
    if kind is None:
        advice = "; dataset.dates=parts or days makes numbers of dates" if inferred in TYPED else ""
        message = (
            f"{cells.source}: column {shown(name)} holds {inferred} ({values.dtype}); "
            f"allowed: numbers, texts, categories, true and false{advice}"
        )
        raise InputError(message)
    if kind == "label" and cells.lines is not None and refuse_stray_text:
        is_text = _text_cells(cells, name)
        if 0 < np.count_nonzero(is_text) < np.count_nonzero(values.notna()) / 2:
            raise _no_number(cells, name, is_text)
    return kind


def inferred_type(values: "Series") -> str:
    """Return the type that pandas infers from the values of a column."""
    from pandas.api.types import infer_dtype

    return str(infer_dtype(values, skipna=True))


def numbers(cells: Cells, name: str) -> NDArray[np.float64]:
    """Return a column of numbers, or of true and false, as float64 with NaN for what is missing."""
    if column_kind(cells, name) == "label":
        raise _no_number(cells, name, _text_cells(cells, name))
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
    return codes, tuple(label_text(label) for label in distinct)


def check_number_of_labels(cells: Cells, name: str, n_labels: int) -> None:
    """Refuse more labels than any column may have."""
    if n_labels > MAX_CATEGORIES:
        message = (
            f"{cells.source}: column {shown(name)} holds {n_labels} different labels in {len(cells.frame)} rows; "
            f"at most {MAX_CATEGORIES} are allowed: leave out a column that only names its rows"
        )
        raise InputError(message)


def label_text(label: object) -> str:
    """Return a label as text: a whole number without a decimal point, all else as it prints."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def encode_feature(cells: Cells, name: str, keys: DatasetSection) -> tuple[Column, NDArray[np.float64]]:
    """Return a feature column and its values: numbers, or positions in its categories; NaN for what is missing.

    Of the keys, `dates`, `rare_levels` and `unknown` are read.
    """
    values = cells.frame[name]
    if bool(values.isna().all()):
        message = f"{cells.source}: column {shown(name)} has no value in any row; leave the column out"
        raise InputError(message)
    is_date = inferred_type(values) in TYPED
    if keys.dates is not None and (is_date or inferred_type(values) in {"string", "categorical"}):
        form = None if is_date else find_date_format(cells, name)
        if is_date or form is not None:
            return Column(name, dates=keys.dates, date_format=form), days_of(cells, name, form)
    if column_kind(cells, name) != "label":
        return Column(name), numbers(cells, name)
    codes, categories = labels(cells, name)
    codes, categories, rare = join_rare_levels(codes, categories, keys.rare_levels)
    if len(categories) > max(FEW_LEVELS, len(cells.frame) / 10):
        raise _too_many_levels(cells, name, len(categories))
    check_number_of_labels(cells, name, len(categories))
    return Column(name, categories, rare, keys.unknown), np.where(codes < 0, np.nan, codes)


def join_rare_levels(
    codes: NDArray[np.intp], categories: tuple[str, ...], share: float | None
) -> tuple[NDArray[np.intp], tuple[str, ...], tuple[str, ...]]:
    """Return positions in fewer categories: levels with a smaller share of the rows become the last one.

    Returns
    -------
    codes : ndarray of shape (n_rows,), integer
    categories : tuple of str
        The frequent ones in their order, and `RARE` if a level is rare.
    rare : tuple of str
        The levels that were joined.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(categories))
    is_rare = counts < (share or 0) * len(codes)
    if not is_rare.any():
        return codes, categories, ()
    places = np.append(np.where(is_rare, np.count_nonzero(~is_rare), np.cumsum(~is_rare) - 1), -1)
    kept = tuple(level for level, joins in zip(categories, is_rare, strict=True) if not joins)
    rare = tuple(level for level, joins in zip(categories, is_rare, strict=True) if joins)
    return places[codes], (*kept, RARE), rare


def _too_many_levels(cells: Cells, name: str, n_levels: int) -> InputError:
    """Return the refusal of a column of texts that would become an input for every few rows, with advice."""
    values, n_rows = cells.frame[name], len(cells.frame)
    texts = values.dropna().astype(str)
    drop, row_names = f"leave it out ({override('drop', name, is_list=True)})", override("id", name)
    advice = f"{drop}, or join what is rare (dataset.rare_levels=0.01)"
    if texts.str.fullmatch(r"[+-]?[\d.]*,\d+|[+-]?\d+").all():
        advice = "numbers with a decimal comma need dataset.decimal=comma, and thousands no point"
    elif find_date_format(cells, name) is not None:
        advice = f"make numbers of dates (dataset.dates=parts or days), or {drop}"
    elif n_levels == len(texts):
        advice = f"if it names the rows, say so ({row_names}), else {drop}"
    return InputError(
        f"{cells.source}: column {shown(name)} holds {n_levels} different texts in {n_rows} rows, such as "
        f"{shown(texts.iloc[0])}; allowed: up to {max(FEW_LEVELS, n_rows // 10)}, a tenth of the rows; {advice}"
    )


def override(key: str, value: str, *, is_list: bool = False) -> str:
    """Return an override of a key of the data set for a shell: quoted unless it is a plain word."""
    text = value if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", value) else f"'{printable(value).replace(QUOTE, ESCAPED)}'"
    written = f"dataset.{key}={f'[{text}]' if is_list else text}"
    return written if text == value else f'"{written}"'


def _text_cells(cells: Cells, name: str) -> NDArray[np.bool_]:
    """Say which cells of a column hold something other than a number."""
    from pandas import to_numeric

    values = cells.frame[name]
    texts = values.astype(object)
    if cells.decimal != ".":
        texts = texts.map(lambda cell: cell.replace(cells.decimal, ".") if isinstance(cell, str) else cell)
    return (to_numeric(texts, errors="coerce").isna() & values.notna()).to_numpy()


def _no_number(cells: Cells, name: str, is_text: NDArray[np.bool_]) -> InputError:
    row = int(np.argmax(is_text))
    text, gap = cells.frame[name].iloc[row], ""
    if cells.lines is not None and not is_text.all():
        gap = f", or {override('missing_values', str(text), is_list=True)} if that is a gap"
    return InputError(
        f"{cells.source}: column {shown(name)} has the text {shown(text)} where numbers belong, in {cells.place(row)}; "
        f"allowed: a number{gap}"
    )
