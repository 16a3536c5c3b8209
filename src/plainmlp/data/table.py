"""A data set made of any table: features, targets and weights are told apart, checked and encoded."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.columns import encode_feature, numbers
from plainmlp.data.reading import Cells, check_column
from plainmlp.data.targets import encode_targets
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

TableTask = Literal["auto", "classification", "regression"]
Missing = Literal["refuse", "mean", "median"]


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
    cells : Cells
        The table.
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
    targets = encode_targets(cells, target_names, task)
    weights = None if sample_weights is None else _weights(cells, sample_weights)
    columns, features = _features(cells, {*target_names, sample_weights})
    if missing == "refuse":
        _refuse_missing(cells, columns, features)
    description = Description(name, targets.task, columns, target_names, targets.class_names)
    return Dataset(Part(features, targets.values, weights), description)


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
        others = ", ".join(sorted(name for name in taken if name))
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
