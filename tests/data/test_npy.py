"""The user's own .npy files: what is refused, and that rows left in their file are those in memory."""

from pathlib import Path

import numpy as np
import pytest

from plainmlp.config.schema import Choice
from plainmlp.data import npy, stored
from plainmlp.data.arrays import Array
from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.scaling import SCALINGS, fit_scaling
from plainmlp.data.stored import RowFile, StoredRows
from plainmlp.system.errors import InputError
from stored import left_in_its_file, npy_folder

FEATURES = np.arange(12.0).reshape(4, 3)
CLASSES = np.array([0, 1, 1, 0])
GAP = np.where(FEATURES == 7, np.nan, FEATURES)

REFUSED = {
    "one dimension": (FEATURES[0], CLASSES, "holds one dimension; allowed: features have the shape"),
    "three dimensions": (FEATURES[np.newaxis], CLASSES, r"holds an array of shape \(1, 4, 3\); allowed: rows"),
    "columns first": (np.asfortranarray(FEATURES), CLASSES, r"allowed: rows of numbers, one after another \(C order"),
    "texts": (FEATURES.astype(str), CLASSES, "features.npy holds <U32; allowed: integers and real numbers"),
    "objects": (FEATURES.astype(object), CLASSES, "features.npy: is not a whole .npy file of numbers"),
    "a gap": (GAP, CLASSES, "features.npy holds nan in row 3, column 2; allowed: finite numbers"),
    "other lengths": (FEATURES, CLASSES[1:], "targets.npy holds 3 rows; allowed: as many as the 4 in features.npy"),
    "no rows": (FEATURES[:0], CLASSES[:0], r"features.npy: (holds an array of shape|is not a whole)"),
    "real classes": (FEATURES, CLASSES / 2, "targets.npy holds float64 in one dimension; allowed: integers"),
    "a class below 0": (FEATURES, CLASSES - 1, "targets.npy holds integers from -1 to 0; allowed: class indices"),
    "one class": (FEATURES, CLASSES * 0, "integers from 0 to 0; allowed: class indices from 0, at least two"),
    "too many classes": (FEATURES, CLASSES * 1000, "integers from 0 to 1000; allowed: .* at most 1000"),
    "an infinite target": (
        FEATURES,
        np.where(FEATURES == 4, -np.inf, FEATURES),
        "targets.npy holds -inf in row 2, column 2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    features, targets, message = REFUSED[case]
    folder = npy_folder(tmp_path, features, targets)
    with pytest.raises(InputError, match=rf"^dataset\.path: {folder}.*{message}") as refused:
        fetch_dataset("npy", path=str(folder))
    assert "\n" not in str(refused.value)


def test_files_that_are_missing_or_cut_off_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^dataset\.path: .*nowhere is not a folder; allowed: a folder with features.npy"
    ):
        fetch_dataset("npy", path=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"^dataset\.path: .*features.npy: cannot be read \(No such file"):
        fetch_dataset("npy", path=str(tmp_path))
    path = npy_folder(tmp_path, FEATURES, CLASSES) / "features.npy"
    for content in (b"", b"PK not numbers"):
        (tmp_path / "targets.npy").write_bytes(content)
        with pytest.raises(InputError, match=r"^dataset\.path: .*targets.npy: is not a whole .npy file of numbers"):
            fetch_dataset("npy", path=str(tmp_path))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"^dataset\.path: .*features.npy: is not a whole .npy file"):
        fetch_dataset("npy", path=str(tmp_path))


def test_arrays_that_do_not_fit_the_memory_are_refused_unless_they_stay_in_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.01")
    folder = npy_folder(tmp_path, np.zeros((10**6, 2)), np.arange(10**6, dtype=np.uint8) % 2)
    left_in_its_file(folder)
    with pytest.raises(
        InputError, match=r"1000000 rows of 2 columns would take about 18.0 MB of memory; allowed: up to 10.0 MB"
    ):
        fetch_dataset("npy", path=str(folder))
    with pytest.raises(InputError, match=r"2 rows of 20000 columns would take about 20.0 MB of memory"):
        left_in_its_file(npy_folder(tmp_path, np.zeros((2, 20_000)), np.arange(2)))


@pytest.mark.parametrize(
    "header", ["{'shape': [", "(" * 9000, "{'descr': '<f8', 'fortran_order': False, 'shape': (10**9)}"]
)
def test_a_header_that_is_no_python_is_refused(header: str, tmp_path: Path) -> None:
    folder = npy_folder(tmp_path, FEATURES, CLASSES)
    (folder / "features.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
    with pytest.raises(InputError, match=r"features.npy: is not a whole .npy file of numbers \("):
        fetch_dataset("npy", path=str(folder))


def test_a_file_that_is_cut_off_later_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    rows = left_in_its_file(npy_folder(tmp_path, FEATURES, CLASSES)).rows.features
    with (tmp_path / "features.npy").open("r+b") as file:
        file.truncate(200)
    for read in (slice(None), np.array([0, 3])):
        with pytest.raises(InputError, match=r"features.npy: is truncated"):
            rows[read]


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "i4", ">f4", ">u2"])
def test_rows_in_their_file_are_read_as_those_in_memory(dtype: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "PIECE_NUMBERS", 100)
    values = np.random.default_rng(0).integers(0, 200, (1000, 3)).astype(dtype)
    rows = left_in_its_file(npy_folder(tmp_path, values, np.arange(1000) % 4)).rows.features
    shuffled = np.random.default_rng(1).permutation(1000)[:600].astype(np.int32)
    assert (len(rows), rows.shape, rows.dtype) == (1000, (1000, 3), values.dtype)
    _assert_reads_alike(rows, values)
    _assert_reads_alike(rows.select(shuffled), values[shuffled])
    _assert_reads_alike(rows.select(np.arange(50, 90)), values[50:90])
    _assert_reads_alike(rows.select(np.arange(50, 90)).select(shuffled % 40), values[50:90][shuffled % 40])


def _assert_reads_alike(rows: StoredRows, values: Array) -> None:
    indices = np.array([[0, 7], [len(values) - 1, 3]])
    np.testing.assert_array_equal(np.asarray(rows), values, strict=True)
    np.testing.assert_array_equal(rows[5:20], values[5:20], strict=True)
    np.testing.assert_array_equal(rows[5:5], values[5:5], strict=True)
    np.testing.assert_array_equal(rows[-4:, 1], values[-4:, 1], strict=True)
    np.testing.assert_array_equal(np.take(rows, indices, axis=0), values[indices], strict=True)


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1"])
@pytest.mark.parametrize("name", SCALINGS)
def test_a_scaling_is_fitted_to_the_bits_of_scikit_learn(name: str, dtype: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "PIECE_NUMBERS", 700)
    generator = np.random.default_rng(0)
    values = (generator.normal(50, generator.uniform(0.1, 9, 7), (3001, 7)) * [1, 1, 1, 1, 1, 1, 0]).astype(dtype)
    np.save(tmp_path / "values.npy", values)
    order = generator.permutation(3001)[:2000]
    fitted = fit_scaling(Choice(name=name), StoredRows(RowFile(tmp_path / "values.npy")).select(order))
    expected = fit_scaling(Choice(name=name), values[order])
    np.testing.assert_array_equal(fitted.offset, expected.offset)
    np.testing.assert_array_equal(fitted.scale, expected.scale)


def test_numbers_whose_spread_overflows_are_refused_there_too(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.array([[1e300, 1], [-1e300, 2]]))
    with pytest.raises(InputError, match="column 1 are too large"):
        fit_scaling(Choice(name="standard"), StoredRows(RowFile(tmp_path / "values.npy")))


def test_small_features_are_held_in_memory_and_large_ones_left_in_their_file(tmp_path: Path, monkeypatch) -> None:
    folder = npy_folder(tmp_path, FEATURES, CLASSES)
    monkeypatch.setattr(npy, "IN_MEMORY_BYTES", FEATURES.nbytes)
    held = fetch_dataset("npy", path=str(folder)).rows
    assert (type(held.features), held.targets.dtype) == (np.ndarray, np.int64)
    monkeypatch.setattr(npy, "IN_MEMORY_BYTES", FEATURES.nbytes - 1)
    left = fetch_dataset("npy", path=str(folder)).rows
    assert (type(left.features), left.targets.dtype) == (StoredRows, np.uint8)
