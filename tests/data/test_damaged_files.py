"""Files of data with any damage: each gives a data set or one line, within seconds."""

import gzip
import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from damaged import damaged, result_or_line
from plainmlp.config.schema import Choice, SplitSection
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.stages import split

pytestmark = pytest.mark.fuzz

N_ROWS = 12
CLASSES = np.arange(N_ROWS) % 3
FEATURES = np.linspace(-1, 9, 2 * N_ROWS).reshape(N_ROWS, 2)
TABLE = pd.DataFrame(
    {"x": FEATURES[:, 0], "colour": ["red", "blue", None] * 4, "n": range(N_ROWS), "y": list("abc") * 4}
)
SPLIT = SplitSection(
    train=None,
    validation=0.2,
    test=0.2,
    stratify=False,
    shuffle=True,
    seed=0,
    scaling=Choice(name="standard"),
    target_scaling=Choice(name="standard"),
)


def as_npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def as_idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def as_parquet(frame, **options):
    stream = io.BytesIO()
    frame.to_parquet(stream, **options)
    return stream.getvalue()


NPY = [as_npy(FEATURES), as_npy(FEATURES.astype(">f4")), as_npy(CLASSES), as_npy(FEATURES.astype("U5"))]
NPY_WORDS = [
    b"(",
    b"[" * 100,
    b"{",
    b"'",
    b"(10**9, 9)",
    b"(-1, 2)",
    b"'O'",
    b"'<f2'",
    b"True",
    b"'<U999999999'",
    b"1e9",
]
IMAGES = as_idx(np.arange(N_ROWS * 6, dtype=np.uint8).reshape(N_ROWS, 2, 3))
LABELS = as_idx(CLASSES.astype(np.uint8))
CSV = [TABLE.to_csv(index=False).encode(), TABLE.to_csv(index=False, quoting=1).encode()]
CSV_WORDS = [
    b'"',
    b"\n",
    b"\r",
    b",",
    b"1e999",
    b"1e308",
    b"nan",
    b"9" * 400,
    b"True",
    b"\0",
    b"\xff",
    b";",
    b"-",
    b"0x1p9",
]
PARQUET = [
    as_parquet(TABLE),
    as_parquet(TABLE.astype({"colour": "category"}), compression="gzip"),
    as_parquet(TABLE[["x", "y"]]),
]


def prepared(name, **options):
    """Fetch, split and prepare, as a run does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy remarks on odd headers
        splits = split(fetch_dataset(name, **options), SPLIT, options.get("missing", "refuse"))
        for part in splits.parts().values():
            splits.preparation.inputs(part.features, np.float32)
            splits.preparation.targets(part.targets, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of sound files, from which all libraries are imported before anything is measured."""
    folder = tmp_path_factory.mktemp("files")
    write(folder, {"features.npy": NPY[0], "targets.npy": NPY[2], "data.csv": CSV[0], "data.parquet": PARQUET[0]})
    write(folder, {"images-idx3-ubyte": IMAGES, "labels-idx1-ubyte": LABELS})
    for name in ("npy", "mnist"):
        prepared(name, path=str(folder))
    for name in ("data.csv", "data.parquet"):
        prepared("table", path=str(folder / name), target="y", missing="mean")
    return folder


def write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).write_bytes(content)


@given(features=damaged(NPY, NPY_WORDS))
def test_features_in_npy_files(folder, features):
    write(folder, {"features.npy": features, "targets.npy": NPY[2]})
    result_or_line(lambda: prepared("npy", path=str(folder)))


@given(targets=damaged(NPY, NPY_WORDS))
def test_targets_in_npy_files(folder, targets):
    write(folder, {"features.npy": NPY[0], "targets.npy": targets})
    result_or_line(lambda: prepared("npy", path=str(folder)))


@given(images=damaged([IMAGES]), labels=damaged([LABELS]))
def test_idx_files(folder, images, labels):
    for files in ((images, LABELS), (IMAGES, labels), (gzip.compress(images), LABELS)):
        write(folder, dict(zip(("images-idx3-ubyte", "labels-idx1-ubyte"), files, strict=True)))
        result_or_line(lambda: prepared("mnist", path=str(folder)))


@given(images=damaged([gzip.compress(IMAGES), gzip.compress(IMAGES + bytes(10**6))]))
def test_gzipped_idx_files(folder, images):
    write(folder, {"images-idx3-ubyte": images, "labels-idx1-ubyte": LABELS})
    result_or_line(lambda: prepared("mnist", path=str(folder)))


@given(content=damaged(CSV, CSV_WORDS))
def test_csv_files(folder, content):
    write(folder, {"data.csv": content})
    for target in ("y", "x"):
        result_or_line(
            lambda target=target: prepared("table", path=str(folder / "data.csv"), target=target, missing="mean")
        )


@given(content=damaged(PARQUET))
def test_parquet_files(folder, content):
    write(folder, {"data.parquet": content})
    for target in ("y", "x"):
        result_or_line(
            lambda target=target: prepared("table", path=str(folder / "data.parquet"), target=target, missing="mean")
        )
