"""A data set made of any table: its columns are told apart, checked and encoded as features, targets and weights."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import Missing
from plainmlp.data.arrays import Array, Column, Dataset, Description, Part, Task
from plainmlp.data.reading import Cells, check_column, listed
from plainmlp.system.errors import InputError
from plainmlp.system.wording import printable, shown

if TYPE_CHECKING:
    from pandas import Series

Kind = Literal["integer", "real", "boolean", "label"]
TableTask = Literal["auto", "classification", "regression"]
MOST_CATEGORIES = 1000
MOST_INTEGER_CLASSES = 20

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


def table_dataset(
    cells: Cells,
    *,
    name: str,
    target: str | tuple[str, ...],
    task: TableTask = "auto",
    missing: Missing = "refuse",
    sample_weights: str | None = None,
) -> Dataset:
    """Make a data set of a table.

    Parameters
    ----------
    name : str
        The data set's name in `DATASETS`.
    target : str or tuple of str
        The column or columns to predict.
    task : {"auto", "classification", "regression"}, default "auto"
        See `encode_targets`.
    missing : {"refuse", "mean", "median"}, default "refuse"
        Whether features may be missing; how they are imputed is fitted on the train part later.
    sample_weights : str, optional
        The column that holds how much each row counts; it is no feature then.

    Returns
    -------
    Dataset
        float64 features: numbers, 0 and 1 for false and true, positions in `Column.categories`; NaN where missing.
    """
    target_names = (target,) if isinstance(target, str) else target
    _check_roles(cells, target_names, sample_weights)
    found_task, targets, class_names = encode_targets(cells, target_names, task)
    weights = None if sample_weights is None else _weights(cells, sample_weights)
    columns, features = _features(cells, {*target_names, sample_weights})
    if missing == "refuse":
        _refuse_missing(cells, columns, features)
    description = Description(name, found_task, columns, target_names, class_names)
    return Dataset(Part(features, targets, weights), description)


def _check_roles(cells: Cells, target_names: tuple[str, ...], sample_weights: str | None) -> None:
    """Refuse columns that are not there, and columns with two roles."""
    if len(set(target_names)) != len(target_names) or not target_names:
        message = f"dataset.target={shown(target_names)}: name at least one column, and each one once"
        raise InputError(message)
    names = list(cells.frame.columns)
    for target_name in target_names:
        check_column("dataset.target", target_name, names, cells.source)
    if sample_weights is not None:
        check_column("dataset.sample_weights", sample_weights, names, cells.source)
    if sample_weights in target_names:
        message = f"dataset.sample_weights={shown(sample_weights)} is the target too; allowed: another column"
        raise InputError(message)


def _weights(cells: Cells, name: str) -> NDArray[np.float64]:
    weights = numbers(cells, name)
    wrong = np.flatnonzero(~(weights >= 0))
    if wrong.size:
        row = int(wrong[0])
        message = (
            f"{cells.source}: the sample weight {shown(name)} is {weights[row]} in {cells.place(row)}; "
            "allowed: numbers that are at least 0"
        )
        raise InputError(message)
    if not weights.any():
        message = f"{cells.source}: the sample weights {shown(name)} are 0 in every row; one must be above 0"
        raise InputError(message)
    return weights


def _features(cells: Cells, taken: set[str | None]) -> tuple[tuple[Column, ...], NDArray[np.float64]]:
    names = [name for name in cells.frame.columns if name not in taken]
    if not names:
        others = listed(sorted(name for name in taken if name))
        message = f"{cells.source}: no feature column is left beside {others}"
        raise InputError(message)
    features = np.empty((len(cells.frame), len(names)))
    columns = []
    for position, name in enumerate(names):
        column, features[:, position] = encode_feature(cells, name)
        columns.append(column)
    return tuple(columns), features


def _refuse_missing(cells: Cells, columns: tuple[Column, ...], features: NDArray[np.float64]) -> None:
    rows, positions = np.nonzero(np.isnan(features))
    if rows.size:
        message = (
            f"{cells.source}: column {shown(columns[positions[0]].name)} has no value in {cells.place(int(rows[0]))} "
            f"({rows.size} values are missing in all); fill them in, or set dataset.missing to mean or median"
        )
        raise InputError(message)


def encode_targets(cells: Cells, names: tuple[str, ...], task: TableTask) -> tuple[Task, Array, tuple[str, ...]]:
    """Return the task, the target columns as `Part` has them, and the names of the classes.

    Parameters
    ----------
    names : tuple of str
        At least one column.
    task : {"auto", "classification", "regression"}
        "auto" takes texts, categories, true and false, and integers with at most `MOST_INTEGER_CLASSES` different
        values as classes; several columns that hold only 0 and 1 as a multi-label classification; all else as a
        regression.
    """
    for name in names:
        _refuse_missing_target(cells, name)
    if len(names) > 1:
        return _several(cells, names, task)
    name = names[0]
    if task == "auto":
        task = "classification" if _holds_classes(cells, name) else "regression"
    if task == "regression":
        return "regression", numbers(cells, name)[:, np.newaxis], ()
    return "classification", *_classes(cells, name)


def _refuse_missing_target(cells: Cells, name: str) -> None:
    missing = np.flatnonzero(cells.frame[name].isna().to_numpy())
    if missing.size:
        message = (
            f"{cells.source}: the target {shown(name)} is missing in {cells.place(int(missing[0]))} ({missing.size} of "
            f"{len(cells.frame)} rows); targets are never imputed: fill it in or leave the row out"
        )
        raise InputError(message)


def _holds_classes(cells: Cells, name: str) -> bool:
    kind = column_kind(cells, name)
    few = kind == "integer" and cells.frame[name].nunique() <= MOST_INTEGER_CLASSES
    return few or kind in {"label", "boolean"}


def _classes(cells: Cells, name: str) -> tuple[Array, tuple[str, ...]]:
    column_kind(cells, name, refuse_stray_text=False)
    codes, class_names = labels(cells, name)
    if len(class_names) < 2:
        message = f"{cells.source}: the target {shown(name)} is {printable(class_names[0])} in every row; two classes are needed"
        raise InputError(message)
    return codes.astype(np.int64), class_names


def _several(cells: Cells, names: tuple[str, ...], task: TableTask) -> tuple[Task, Array, tuple[str, ...]]:
    values: NDArray[np.float64] = np.column_stack([numbers(cells, name) for name in names])
    is_binary = bool(np.isin(values, (0, 1)).all())
    if task == "classification" and not is_binary:
        message = f"dataset.task='classification' of several targets needs 0 and 1 only; {cells.source} holds more"
        raise InputError(message)
    return "multilabel" if is_binary and task != "regression" else "regression", values, ()


def column_kind(cells: Cells, name: str, *, refuse_stray_text: bool = True) -> Kind:
    """Find out what a column holds.

    Parameters
    ----------
    refuse_stray_text : bool, default True
        Whether a text column of an untyped source, most of whose cells are numbers, is a mistake.
    """
    from pandas.api.types import infer_dtype

    values = cells.frame[name]
    inferred = infer_dtype(values, skipna=True)
    kind = _KINDS.get(inferred)
    if kind is None:
        message = (
            f"{cells.source}: column {shown(name)} holds {inferred} ({values.dtype}); "
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
    """Return a feature column and its values: numbers, or positions in its categories; NaN for what is missing."""
    if bool(cells.frame[name].isna().all()):
        message = f"{cells.source}: column {shown(name)} has no value in any row; leave the column out"
        raise InputError(message)
    if column_kind(cells, name) != "label":
        return Column(name), numbers(cells, name)
    codes, categories = labels(cells, name)
    return Column(name, categories), np.where(codes < 0, np.nan, codes)


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
