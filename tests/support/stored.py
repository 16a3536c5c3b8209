"""Folders of ``.npy`` files, as a user has them, and the data set whose features are left in theirs."""

from pathlib import Path

import numpy as np
import pytest

from plainmlp.data import npy
from plainmlp.data.arrays import Array, Dataset
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.stored import StoredRows


def npy_folder(folder: Path, features: Array, targets: Array) -> Path:
    """Write features and targets, and return their folder."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "features.npy", features)
    np.save(folder / "targets.npy", targets)
    return folder


def left_in_its_file(folder: Path) -> Dataset:
    """Fetch arrays as if they were too large for the memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npy, "IN_MEMORY_BYTES", 0)
        dataset = fetch_dataset("npy", path=str(folder))
    assert isinstance(dataset.rows.features, StoredRows)
    return dataset
