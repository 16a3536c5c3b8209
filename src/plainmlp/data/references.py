"""References: how a folder of results names rows that stay in a file of the user's, without a copy of them."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from plainmlp.data.arrays import Array, Dataset
from plainmlp.data.stored import RowFile, StoredRows
from plainmlp.system.errors import InputError

FILES_OPEN = 4


def through_link(dataset: Dataset, link: Path) -> Dataset:
    """Return a data set whose features are read through a link to their folder, where they stay in their file.

    The link lies beside the folders that refer to the file, so that they can move together and the link can be renewed.
    """
    features = dataset.rows.features
    if not isinstance(features, StoredRows):
        return dataset
    linked = StoredRows(RowFile(link / features.file.path.name))
    return replace(dataset, rows=replace(dataset.rows, features=linked))


def refer(rows: StoredRows, folder: Path) -> tuple[dict[str, Any], Array | None]:
    """Return the file of rows, by path and digest, and which rows of it they are.

    Parameters
    ----------
    folder : Path
        Of the results; a path through the folder that it is in is written relative to it, any other is absolute.

    Returns
    -------
    reference : dict
        As JSON can hold it, with the range of the rows where they stand side by side.
    numbers : ndarray of shape (n_samples,), integer, optional
        Those of the rows where they do not.
    """
    path = rows.file.path.absolute()
    place = os.path.relpath(path, folder) if path.is_relative_to(folder.parent.absolute()) else str(path)
    reference: dict[str, Any] = {"path": place, "digest": rows.file.digest}
    if isinstance(rows.rows, range):
        return {**reference, "range": [rows.rows.start, rows.rows.stop]}, None
    return reference, rows.rows


def open_reference(folder: Path, reference: Mapping[str, Any], numbers: Array | None) -> StoredRows:
    """Return the rows that `refer` referred to from a folder."""
    file = _open(folder / reference["path"], reference["digest"])
    return StoredRows(file, range(*reference["range"]) if numbers is None else numbers)


@lru_cache(FILES_OPEN)
def _open(path: Path, digest: str) -> RowFile:
    """Return a file whose every byte is as it was; a process checks it once."""
    file = RowFile(path)
    if file.digest != digest:
        message = f"{path}: was altered since it was fetched; fetch it anew"
        raise InputError(message)
    return file
