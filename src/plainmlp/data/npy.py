"""The user's own arrays: a folder of two ``.npy`` files, one of features and one of targets."""

from pathlib import Path
from typing import Any

import numpy as np

from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.columns import MAX_CATEGORIES
from plainmlp.data.stored import RowFile, StoredRows
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory

FEATURES, TARGETS = "features.npy", "targets.npy"
IN_MEMORY_BYTES = 1 << 26  # of features; a larger file is left where it is
BYTES_PER_COLUMN = 1000  # of its name, its scaling and its place in the description


def read_npy_folder(folder: Path) -> Dataset:
    """Read a data set.

    Features of more than `IN_MEMORY_BYTES`, and of more than one column, stay in their file; class indices then have the
    smallest possible dtype.

    Parameters
    ----------
    folder : Path
        Holds `FEATURES`, of shape (n_samples, n_columns), integers or real numbers, and `TARGETS`: class indices of
        shape (n_samples,), an integer dtype, or the numbers of a regression of shape (n_samples, n_targets).
    """
    features, targets = _opened(folder, FEATURES), _opened(folder, TARGETS)
    if features.n_dimensions != 2:
        raise _refused(features, "one dimension", "features have the shape (n_samples, n_columns)")
    if features.n_rows != targets.n_rows:
        raise _refused(targets, f"{targets.n_rows} rows", f"as many as the {features.n_rows} in {FEATURES}")
    _check_finite(features)
    is_held = features.n_bytes <= IN_MEMORY_BYTES or features.n_columns == 1
    held_bytes = 2 * targets.n_bytes + BYTES_PER_COLUMN * features.n_columns + is_held * features.n_bytes
    require_memory(held_bytes, f"dataset.path: {folder}: {features.n_rows} rows of {features.n_columns} columns")
    kept: Any = features.read(0, features.n_rows) if is_held else StoredRows(features)
    columns = tuple(Column(f"x{number}") for number in range(1, features.n_columns + 1))
    if targets.n_dimensions == 2:
        _check_finite(targets)
        names = tuple(f"y{number}" for number in range(1, targets.n_columns + 1))
        numbers = targets.read(0, targets.n_rows).astype(np.float64)
        return Dataset(Part(kept, numbers), Description("npy", "regression", columns, names))
    n_classes = _count_classes(targets)
    indices = np.empty(targets.n_rows, np.int64 if is_held else np.min_scalar_type(n_classes - 1))
    for start, values in targets.pieces():
        indices[start : start + len(values)] = values[:, 0]
    class_names = tuple(map(str, range(n_classes)))
    return Dataset(Part(kept, indices), Description("npy", "classification", columns, ("class",), class_names))


def _opened(folder: Path, name: str) -> RowFile:
    if not folder.is_dir():
        message = f"dataset.path: {folder} is not a folder; allowed: a folder with {FEATURES} and {TARGETS}"
        raise InputError(message)
    try:
        file = RowFile(folder / name)
    except InputError as error:
        message = f"dataset.path: {error}"
        raise InputError(message) from None
    if file.dtype.kind not in "iuf":
        raise _refused(file, str(file.dtype), "integers and real numbers")
    return file


def _check_finite(file: RowFile) -> None:
    if file.dtype.kind != "f":
        return
    for start, values in file.pieces():
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            row, column = wrong[0]
            found = f"{values[row, column]} in row {start + row + 1}, column {column + 1}"
            raise _refused(file, found, "finite numbers")


def _count_classes(targets: RowFile) -> int:
    """Return the number of classes: one more than the largest index."""
    if targets.dtype.kind == "f":
        allowed = "integers (n_samples,), or for a regression numbers of shape (n_samples, n_targets)"
        raise _refused(targets, f"{targets.dtype} in one dimension", allowed)
    ends = [(int(values.min()), int(values.max())) for _, values in targets.pieces()]
    smallest, largest = min(low for low, _ in ends), max(high for _, high in ends)
    if smallest < 0 or not 1 <= largest < MAX_CATEGORIES:
        allowed = f"class indices from 0, at least two classes and at most {MAX_CATEGORIES}"
        raise _refused(targets, f"integers from {smallest} to {largest}", allowed)
    return largest + 1


def _refused(file: RowFile, found: str, allowed: str) -> InputError:
    return InputError(f"dataset.path: {file.path} holds {found}; allowed: {allowed}")
