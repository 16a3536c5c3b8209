"""A data set from any table: its columns are checked and encoded as features, targets and weights."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import Dates, Missing, MissingTarget, Unknown
from plainmlp.data.arrays import Array, Column, Dataset, Description, Part, Task
from plainmlp.data.cells import Cells, check_column, listed
from plainmlp.data.columns import check_number_of_labels, column_kind, encode_feature, labels, numbers
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import printable, shown

TableTask = Literal["auto", "classification", "regression"]
MAX_INTEGER_CLASSES = 20


@dataclass(frozen=True)
class ColumnOptions:
    """What the columns of a table are for.

    Parameters
    ----------
    target : str or tuple of str
        The column or columns to predict.
    task : {"auto", "classification", "regression"}, default "auto"
        See `encode_targets`.
    missing : {"refuse", "mean", "median"}, default "refuse"
        Whether features may be missing; the values that replace them are fitted on the train part later.
    missing_target : {"refuse", "drop"}, default "refuse"
        Whether rows without a target are left out.
    sample_weights, id : str, optional
        The columns with each row's weight and name; they are not features.
    drop : tuple of str, optional
        Columns to leave out.
    columns : tuple of str, optional
        The features; by default all columns without another role.
    dates, rare_levels, unknown
        See `plainmlp.data.columns.encode_feature`.
    """

    target: str | tuple[str, ...] = ()
    task: TableTask = "auto"
    missing: Missing = "refuse"
    missing_target: MissingTarget = "refuse"
    sample_weights: str | None = None
    id: str | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    dates: Dates | None = None
    rare_levels: float | None = None
    unknown: Unknown = "refuse"

    @property
    def target_names(self) -> tuple[str, ...]:
        """Return the columns to predict."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Return the columns under each key that takes some away from the features."""
        single = {"sample_weights": self.sample_weights, "id": self.id}
        return {
            "target": self.target_names,
            **{key: () if name is None else (name,) for key, name in single.items()},
            "drop": tuple(self.drop),
        }


def table_dataset(cells: Cells, *, name: str, **options: Any) -> Dataset:
    """Make a data set of a table.

    Parameters
    ----------
    name : str
        The data set's name in `DATASETS`.
    options
        As in `ColumnOptions`; `target` is required.

    Returns
    -------
    Dataset
        float64 features: numbers, 0 and 1 for false and true, positions in `Column.categories`, days of dates; NaN
        where missing.
    """
    chosen = ColumnOptions(**options)
    if chosen.unknown == "missing" and chosen.missing == "refuse":
        message = "dataset.unknown=missing needs a value for what is missing: set dataset.missing to mean or median"
        raise InputError(message)
    feature_names = choose_features(cells, chosen)
    cells = with_targets(cells, chosen)
    task, targets, class_names = encode_targets(cells, chosen.target_names, chosen.task)
    weights = None if chosen.sample_weights is None else _weights(cells, chosen.sample_weights)
    columns, features = _features(cells, feature_names, chosen)
    if chosen.missing == "refuse":
        _refuse_missing(cells, columns, features)
    ids = None if chosen.id is None else read_ids(cells, chosen.id)
    description = Description(name, task, columns, chosen.target_names, class_names)
    return Dataset(Part(features, targets, weights, cells.rows, ids), description, cells.notes)


def choose_features(cells: Cells, options: ColumnOptions) -> list[str]:
    """Return the columns that are features; refuse unknown names, and columns with two roles."""
    names, roles = list(cells.frame.columns), options.roles()
    if len(set(options.target_names)) != len(options.target_names) or not options.target_names:
        message = f"dataset.target={shown(options.target_names)}: name at least one column, and each one once"
        raise InputError(message)
    taken: dict[str, str] = {}
    for key, chosen in {**roles, "columns": options.columns or ()}.items():
        for name in chosen:
            check_column(f"dataset.{key}", name, names, cells.source)
            if taken.setdefault(name, key) != key:
                message = f"dataset.{key}={shown(name)} is the {taken[name]} too; allowed: another column"
                raise InputError(message)
    others = [name for names in roles.values() for name in names]
    features = [name for name in (options.columns or names) if name not in others]
    if not features:
        message = f"{cells.source}: no feature column is left beside {listed(sorted(others))}"
        raise InputError(message)
    return features


def with_targets(cells: Cells, options: ColumnOptions) -> Cells:
    """Return the rows that have all targets if `missing_target` drops the others, with a note of how many."""
    if options.missing_target == "refuse":
        return cells
    target_names = options.target_names
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


def _features(cells: Cells, names: list[str], options: ColumnOptions) -> tuple[tuple[Column, ...], NDArray[np.float64]]:
    features = np.empty((len(cells.frame), len(names)))
    columns = []
    for position, name in enumerate(names):
        column, features[:, position] = encode_feature(
            cells, name, dates=options.dates, rare_levels=options.rare_levels, unknown=options.unknown
        )
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
        task = "classification" if _holds_classes(cells, name) else "regression"
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


def _holds_classes(cells: Cells, name: str) -> bool:
    kind = column_kind(cells, name)
    few = kind == "integer" and cells.frame[name].nunique() <= MAX_INTEGER_CLASSES
    return few or kind in {"label", "boolean"}


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
