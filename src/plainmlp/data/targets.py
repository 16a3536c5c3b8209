"""Targets of a table: the task is found out, and the columns become class indices or numbers."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Task
from plainmlp.data.columns import column_kind, labels, numbers
from plainmlp.data.reading import Cells
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

MOST_INTEGER_CLASSES = 20


class Targets(NamedTuple):
    """Encoded targets, as `Part` and `Description` hold them."""

    task: Task
    values: Array
    class_names: tuple[str, ...] = ()


def encode_targets(
    cells: Cells, names: tuple[str, ...], task: Literal["auto", "classification", "regression"]
) -> Targets:
    """Encode the target columns.

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
        _refuse_missing(cells, name)
    if len(names) > 1:
        return _several(cells, names, task)
    name = names[0]
    if task == "auto":
        task = "classification" if _holds_classes(cells, name) else "regression"
    if task == "regression":
        return Targets("regression", numbers(cells, name)[:, np.newaxis])
    return _classes(cells, name)


def _refuse_missing(cells: Cells, name: str) -> None:
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


def _classes(cells: Cells, name: str) -> Targets:
    column_kind(cells, name, refuse_stray_text=False)
    codes, class_names = labels(cells, name)
    if len(class_names) < 2:
        message = f"{cells.source}: the target {shown(name)} is {class_names[0]} in every row; two classes are needed"
        raise InputError(message)
    return Targets("classification", codes.astype(np.int64), class_names)


def _several(cells: Cells, names: tuple[str, ...], task: str) -> Targets:
    values: NDArray[np.float64] = np.column_stack([numbers(cells, name) for name in names])
    is_binary = bool(np.isin(values, (0, 1)).all())
    if task == "classification" and not is_binary:
        message = f"dataset.task='classification' of several targets needs 0 and 1 only; {cells.source} holds more"
        raise InputError(message)
    return Targets("multilabel" if is_binary and task != "regression" else "regression", values)
