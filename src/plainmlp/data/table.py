"""A data set from any table: its columns are checked and encoded as features, targets and weights."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Array, Column, Dataset, Description, Part, Task
from plainmlp.data.cells import Cells, check_column, listed
from plainmlp.data.columns import check_number_of_labels, column_kind, encode_feature, labels, numbers
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import printable, shown

TableTask = Literal["auto", "classification", "regression"]
MAX_INTEGER_CLASSES = 20


def roles_of(keys: DatasetSection) -> dict[str, tuple[str, ...]]:
    """Return the columns under each key that takes some away from the features."""
    named = {"target": keys.target, "sample_weights": keys.sample_weights, "id": keys.id, "drop": keys.drop}
    return {key: (names,) if isinstance(names, str) else names or () for key, names in named.items()}


def table_dataset(cells: Cells, keys: DatasetSection) -> Dataset:
    """Make a data set of a table; the keys, `target` among them, say what the columns are for.

    Returns
    -------
    Dataset
        float64 features: numbers, 0 and 1 for false and true, positions in `Column.categories`, days of dates; NaN
        where missing.
    """
    if keys.unknown == "missing" and keys.missing == "refuse":
        message = "dataset.unknown=missing needs a value for what is missing: set dataset.missing to mean or median"
        raise InputError(message)
    feature_names = choose_features(cells, keys)
    cells, target_names = with_targets(cells, keys), roles_of(keys)["target"]
    task, targets, class_names = encode_targets(cells, target_names, keys.task)
    weights = None if keys.sample_weights is None else _weights(cells, keys.sample_weights)
    columns, features = _features(cells, feature_names, keys)
    if keys.missing == "refuse":
        _refuse_missing(cells, columns, features)
    ids = None if keys.id is None else read_ids(cells, keys.id)
    description = Description(keys.name, task, columns, target_names, class_names)
    return Dataset(Part(features, targets, weights, cells.rows, ids), description, cells.notes)


def choose_features(cells: Cells, keys: DatasetSection) -> list[str]:
    """Return the columns that are features; refuse unknown names, and columns with two roles."""
    names, roles = list(cells.frame.columns), roles_of(keys)
    targets = roles["target"]
    if len(set(targets)) != len(targets) or not targets:
        message = f"dataset.target={shown(targets)}: name at least one column, and each one once"
        raise InputError(message)
    taken: dict[str, str] = {}
    for key, chosen in {**roles, "columns": keys.columns or ()}.items():
        for name in chosen:
            check_column(f"dataset.{key}", name, names, cells.source)
            if taken.setdefault(name, key) != key:
                message = f"dataset.{key}={shown(name)} is the {taken[name]} too; allowed: another column"
                raise InputError(message)
    others = [name for names in roles.values() for name in names]
    features = [name for name in (keys.columns or names) if name not in others]
    if not features:
        message = f"{cells.source}: no feature column is left beside {listed(sorted(others))}"
        raise InputError(message)
    return features


def with_targets(cells: Cells, keys: DatasetSection) -> Cells:
    """Return the rows that have all targets if `missing_target` drops the others, with a note of how many."""
    if keys.missing_target == "refuse":
        return cells
    target_names = roles_of(keys)["target"]
    is_there = cells.frame[list(target_names)].notna().all(axis=1).to_numpy()
    n_left_out = len(is_there) - np.count_nonzero(is_there)
    if n_left_out == len(is_there):
        message = f"{cells.source}: no row has a value of the target {listed(target_names)}"
        raise InputError(message)
    note = f"{n_left_out} of {len(is_there)} rows have no target and are left out"
    return cells.take(np.flatnonzero(is_there), note) if n_left_out else cells


def read_ids(cells: Cells, name: str) -> Array:
    """Return the ids of the rows in a column: whole numbers or texts."""
    values = cells.frame[name]
    if values.isna().any():
        row = int(np.argmax(values.isna()))
        message = f"{cells.source}: the id {shown(name)} is missing in {cells.place(row)}"
        raise InputError(message)
    if values.dtype.kind in "iu":
        return values.to_numpy(np.int64)
    texts = values.astype(str)
    longest = int(texts.str.len().max())
    require_memory(
        4 * longest * len(texts), f"dataset.id={shown(name)}: keeping {len(texts)} texts of {longest} characters"
    )
    return texts.to_numpy(f"<U{longest}")


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


def _features(cells: Cells, names: list[str], keys: DatasetSection) -> tuple[tuple[Column, ...], NDArray[np.float64]]:
    features = np.empty((len(cells.frame), len(names)))
    columns = []
    for position, name in enumerate(names):
        column, features[:, position] = encode_feature(cells, name, keys)
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
        "auto" takes texts, categories, true and false, and integers with at most `MAX_INTEGER_CLASSES` different
        values as classes; several columns that hold only 0 and 1 as a multi-label classification; all else as a
        regression.
    """
    for name in names:
        _refuse_missing_target(cells, name)
    if len(names) > 1:
        return _several(cells, names, task)
    name = names[0]
    if task == "auto":
        kind = column_kind(cells, name)
        is_short = kind == "integer" and cells.frame[name].nunique() <= MAX_INTEGER_CLASSES
        task = "classification" if is_short or kind in {"label", "boolean"} else "regression"
    if task == "regression":
        return "regression", numbers(cells, name)[:, np.newaxis], ()
    return "classification", *_classes(cells, name)


def _refuse_missing_target(cells: Cells, name: str) -> None:
    missing = np.flatnonzero(cells.frame[name].isna().to_numpy())
    if missing.size:
        message = (
            f"{cells.source}: the target {shown(name)} is missing in {cells.place(int(missing[0]))} ({missing.size} of "
            f"{len(cells.frame)} rows); targets are never imputed: fill it in or leave the row out (dataset.missing_target=drop)"
        )
        raise InputError(message)


def _classes(cells: Cells, name: str) -> tuple[Array, tuple[str, ...]]:
    column_kind(cells, name, refuse_stray_text=False)
    codes, class_names = labels(cells, name)
    check_number_of_labels(cells, name, len(class_names))
    if len(class_names) < 2:
        message = f"{cells.source}: the target {shown(name)} is {printable(class_names[0])} in every row; two classes are needed"
        raise InputError(message)
    return codes.astype(np.int64), class_names


def _several(cells: Cells, names: tuple[str, ...], task: TableTask) -> tuple[Task, Array, tuple[str, ...]]:
    values: NDArray[np.float64] = np.column_stack([numbers(cells, name) for name in names])
    is_binary = bool(np.isin(values, (0, 1)).all())
    if task == "classification" and not is_binary:
        message = (
            f"dataset.task='classification' with several targets allows only 0 and 1; {cells.source} holds other values"
        )
        raise InputError(message)
    return "multilabel" if is_binary and task != "regression" else "regression", values, ()
