"""Files and folders that may not be read, or cannot be: one line with the path and the reason, whoever reads them."""

import io
import stat
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nobody import as_nobody
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.storage import read_dataset, write_dataset
from plainmlp.system.command import run_command
from plainmlp.training.model import load_layers
from stored import npy_folder

READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "npy": ("features.npy", lambda folder: fetch_dataset("npy", path=str(folder))),
    "mnist": ("images-idx3-ubyte", lambda folder: fetch_dataset("mnist", path=str(folder))),
    "csv": ("data.csv", lambda folder: fetch_dataset("table", path=str(folder / "data.csv"), target="y")),
    "parquet": ("data.parquet", lambda folder: fetch_dataset("table", path=str(folder / "data.parquet"), target="y")),
    "raw": ("manifest.json", read_dataset),
    "weights": ("weights", lambda folder: load_layers(folder / "weights")),
}


def line_of(read: Callable[[Path], object], folder: Path) -> str:
    """Return the line of a command that ends with exit code 2."""
    with redirect_stderr(io.StringIO()) as errors:
        assert run_command(lambda: read(folder) and None) == 2
    line = errors.getvalue()
    assert line.count("\n") == 1
    return line


@pytest.fixture(params=READERS)
def reader(request, tmp_path):
    """Return the reader of some files, their folder, and the one of them that is read first."""
    folder = tmp_path / "files"
    write_dataset(folder, fetch_dataset("clusters"))
    if request.param != "raw":
        npy_folder(folder, np.eye(2), np.arange(2))
        for name in ("images-idx3-ubyte", "labels-idx1-ubyte", "weights"):
            (folder / name).write_bytes(b"x")
        frame = pd.DataFrame({"x": [1, 2], "y": [0, 1]})
        frame.to_csv(folder / "data.csv", index=False)
        frame.to_parquet(folder / "data.parquet")
    name, read = READERS[request.param]
    run_command(lambda: read(folder) and None)  # nobody may not be allowed to import what it takes
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(0o755)
    return read, folder, folder / name


def test_without_permission(reader):
    read, folder, file = reader
    file.chmod(0)
    with as_nobody():
        assert f"{file}: cannot be read (Permission denied)" in line_of(read, folder).replace(
            f"{file} cannot", f"{file}: cannot"
        )
    folder.chmod(0)
    with as_nobody():
        line = line_of(read, folder)
    folder.chmod(0o755)
    assert "Permission denied" in line
    assert str(folder) in line


def test_a_folder_in_the_place_of_a_file(reader):
    read, folder, file = reader
    file.unlink()
    file.mkdir()
    assert str(file.parent) in line_of(read, folder)


@pytest.mark.parametrize("name", ["n" * 300, "file/below"])
def test_names_that_cannot_be(reader, name):
    read, folder, _ = reader
    (folder / "file").touch()
    assert any(reason in line_of(read, folder / name) for reason in ("too long", "ot a directory", "is not a folder"))
