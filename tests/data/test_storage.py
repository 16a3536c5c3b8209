import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parted import split_section
from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_arrays, read_dataset, read_splits, write_dataset, write_splits
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, read_json, replace_file, replace_folder, write_json

DESCRIPTION = Description("table", "regression", (Column("x"), Column("ü", ("a", "ß"))), ("y",), (), (1, 2))
FEATURES = np.array([[1 / 3, 0], [2, 1], [np.nan, 1]])
PART = Part(FEATURES, np.array([[0.1], [0.2], [0.3]]), np.array([1.0, 0.5, 0.0]))


def splits_of(validation=PART):
    preparation = fit_preparation(PART, DESCRIPTION, split_section("standard", "minmax"), "mean")
    return Splits(PART, validation, PART.take(np.array([1])), DESCRIPTION, preparation, "ab" * 32)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def stop_half_way(replacement, write, error):
    with replacement as temporary:
        write(temporary)
        raise error


def assert_same(part, other):
    for name in ("features", "targets", "weights"):
        np.testing.assert_array_equal(getattr(part, name), getattr(other, name), strict=True)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "report.txt"
    for text in ("first", "second"):
        with replace_file(path) as temporary:
            assert temporary.suffix == ".txt"
            assert temporary.parent == path.parent
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert content(path.parent) == {"report.txt": text.encode()}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_nothing_is_left_and_nothing_lost(tmp_path, error):
    for earlier in ({}, {"x": b"earlier"}):
        for name, data in earlier.items():
            (tmp_path / name).write_bytes(data)
        with pytest.raises(error):
            stop_half_way(replace_file(tmp_path / "x"), Path.touch, error)
        assert content(tmp_path) == earlier


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_exception_a_folder_is_as_it_was(tmp_path, error):
    for earlier in ([], ["x"]):
        for name in earlier:
            (tmp_path / name).mkdir()
        with pytest.raises(error):
            stop_half_way(replace_folder(tmp_path / "x"), lambda folder: (folder / "half").touch(), error)
        assert [path.name for path in tmp_path.iterdir()] == earlier


def test_an_earlier_folder_comes_back_after_a_stop_between_the_two_renames(tmp_path, monkeypatch):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "earlier").touch()
    rename, renamed = Path.rename, []

    def stop_the_second_time(path, target):
        renamed.append(path)
        if len(renamed) == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stop_the_second_time)
    with pytest.raises(KeyboardInterrupt), replace_folder(tmp_path / "x"):
        pass
    assert len(renamed) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "earlier"]


def test_json_is_read_as_it_was_written(tmp_path):
    value = {"b": [1 / 3, 1e-300, None], "a": "ü"}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert list(read_json(tmp_path / "x.json")) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "x.json", np.nan)
    assert read_json(tmp_path / "x.json") == value


@pytest.mark.parametrize(("data", "words"), [(b"{", "not JSON"), (b"\xff", "not JSON"), (None, "No such file")])
def test_json_that_cannot_be_read_is_an_input_error(tmp_path, data, words):
    if data is not None:
        (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_json(tmp_path / "x.json")


def test_a_data_set_is_read_as_it_was_written(tmp_path):
    write_dataset(tmp_path / "raw", Dataset(PART, DESCRIPTION))
    dataset = read_dataset(tmp_path / "raw")
    assert dataset.description == DESCRIPTION
    assert_same(dataset.rows, PART)
    rows = Part(np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3)), np.array([0, 1]))
    write_dataset(tmp_path / "raw", Dataset(rows, Description("digits", "classification", (), (), ("0", "1"))))
    dataset = read_dataset(tmp_path / "raw")
    assert_same(dataset.rows, rows)
    assert dataset.description.image_shape is None
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("validation", [None, PART])
def test_splits_are_read_as_they_were_written(tmp_path, validation):
    splits = splits_of(validation)
    write_splits(tmp_path / "split", splits)
    again = read_splits(tmp_path / "split")
    assert again.description == DESCRIPTION
    assert again.data_digest == splits.data_digest
    assert again.preparation.to_dict() == splits.preparation.to_dict()
    assert list(again.parts()) == list(splits.parts())
    for name, part in splits.parts().items():
        assert_same(again.parts()[name], part)


def test_the_same_splits_are_the_same_bytes(tmp_path):
    write_splits(tmp_path / "a", splits_of())
    time.sleep(0.01)
    write_splits(tmp_path / "b", splits_of())
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "split"
    write_splits(folder, splits_of())
    return folder


@settings(deadline=None)
@given(data=st.data())
def test_one_flipped_bit_is_noticed_and_its_file_named(written, data):
    path = data.draw(st.sampled_from(sorted(written.iterdir())))
    good = path.read_bytes()
    bad = bytearray(good)
    bad[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if path.suffix == ".json" and not differs(good, bytes(bad)):
        return  # white space
    path.write_bytes(bytes(bad))
    try:
        with pytest.raises(InputError, match=path.name):
            read_splits(written)
    finally:
        path.write_bytes(good)


def differs(good, bad):
    try:
        return json.loads(good) != json.loads(bad)
    except ValueError:
        return True


@pytest.mark.parametrize("name", ["train_features.npy", "test_targets.npy", "manifest.json"])
def test_truncated_and_missing_files_are_named(tmp_path, name):
    write_splits(tmp_path / "split", splits_of())
    path = tmp_path / "split" / name
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=f"{name}: .*(truncated|damaged)"):
        read_splits(tmp_path / "split")
    path.unlink()
    with pytest.raises(InputError, match=f"{name}: .*(is missing|cannot be read)"):
        read_splits(tmp_path / "split")


def test_foreign_files_are_named(tmp_path):
    write_splits(tmp_path / "split", splits_of())
    np.save(tmp_path / "split" / "more.npy", FEATURES + 1)
    with pytest.raises(InputError, match=r"more.npy: unexpected file"):
        read_splits(tmp_path / "split")
    (tmp_path / "split" / "more.npy").rename(tmp_path / "split" / "train_features.npy")
    with pytest.raises(InputError, match=r"train_features.npy: .*changed"):
        read_splits(tmp_path / "split")


def test_a_manifest_of_another_kind_is_refused(tmp_path):
    write_json(tmp_path / "manifest.json", [1])
    with pytest.raises(InputError, match=r"manifest.json: was changed"):
        read_dataset(tmp_path)


def test_a_digest_hangs_on_type_shape_bytes_and_order():
    array = np.arange(6, dtype=np.float32)
    others = [array.astype(np.float64), array.reshape(2, 3), array + 1, array.view(np.int32), np.float32(0).reshape(())]
    digests = {digest_arrays(other) for other in [array, *others]}
    assert len(digests) == 6
    assert digest_arrays(array, others[0]) != digest_arrays(others[0], array)
    assert digest_arrays(array) == digest_arrays(np.arange(12, dtype=np.float32)[::2] / 2)


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert digest_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
