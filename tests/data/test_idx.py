import gzip
import re
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from plainmlp.data.idx import read_idx, read_idx_folder
from plainmlp.system.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
MNIST_8K = ROOT / ".." / "shared" / "data" / "mnist-8k"

ELEMENTS = arrays.arrays(np.uint8, arrays.array_shapes(max_dims=4, max_side=5))


def encoded(array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def written(folder, content, name="x"):
    path = folder / name
    path.write_bytes(content)
    return path


def images_or_refusal(path):
    try:
        return read_idx(path, 3)
    except InputError as error:
        return str(error)


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 1], dtype=np.uint8)


@given(array=ELEMENTS, zipped=st.booleans())
def test_what_is_written_is_read(tmp_path_factory, array, zipped):
    content = gzip.compress(encoded(array)) if zipped else encoded(array)
    read = read_idx(written(tmp_path_factory.mktemp("idx"), content), array.ndim)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


@given(content=st.binary(max_size=40), zipped=st.booleans())
def test_any_other_bytes_are_an_input_error(tmp_path_factory, content, zipped):
    path = written(tmp_path_factory.mktemp("idx"), gzip.compress(b"\1" + content) if zipped else b"\1" + content)
    with pytest.raises(InputError, match=r"IDX file"):
        read_idx(path, 3)


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_gzip_file_never_changes_the_data(tmp_path_factory, position, bit):
    content = bytearray(gzip.compress(encoded(IMAGES), mtime=0))
    header = 10  # its fields (time, system) say nothing about the data
    content[header + position % (len(content) - header)] ^= 1 << bit
    read = images_or_refusal(written(tmp_path_factory.mktemp("idx"), bytes(content)))
    if isinstance(read, str):
        assert re.search("damaged|truncated|trailing bytes|begins with|holds no values", read)
    else:  # a few bits of the format mean nothing
        np.testing.assert_array_equal(read, IMAGES)


def test_a_changed_pixel_in_a_gzip_file_is_noticed(tmp_path):
    zipped = bytearray(gzip.compress(encoded(IMAGES), compresslevel=0))
    zipped[-12] ^= 1
    with pytest.raises(InputError, match="CRC"):
        read_idx(written(tmp_path, bytes(zipped)), 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with nothing"),
        (encoded(IMAGES)[:3], "begins with 000008"),
        (encoded(IMAGES)[:10], "ends inside its header, after 10 of 16 bytes"),
        (encoded(IMAGES)[:-1], "is truncated: its sizes are 2 x 3 x 4"),
        (encoded(IMAGES) + b"\0", "has trailing bytes: its sizes are 2 x 3 x 4"),
        (b"\0\0\x0a\3" + b"\0\0\0\1" + b"\0", "begins with 00000a03; allowed: an IDX file that begins with 00000803"),
        (encoded(LABELS), "begins with 00000801"),
        (b"\0\0\x08\3" + b"\0\0\0\0" * 3, "holds no values"),
        (b"\0\0\x08\3" + b"\xff" * 12, "is truncated: its sizes are 4294967295 x"),
        (gzip.compress(encoded(IMAGES), mtime=0)[:-12], "gzip-ed file is truncated"),
        (gzip.compress(encoded(IMAGES), mtime=0)[:-8] + bytes(8), "gzip-ed file is truncated or damaged"),
        (gzip.compress(encoded(IMAGES), mtime=0) + b"x", "gzip-ed file is truncated or damaged"),
    ],
)
def test_each_damage_is_named(tmp_path, content, words):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as caught:
        read_idx(path, 3)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_more_is_unfolded_than_the_header_asks_for(tmp_path, monkeypatch):
    zeros = gzip.compress(bytes(100_000_000), compresslevel=1)
    more = gzip.compress(encoded(IMAGES), mtime=0) + zeros  # members one after another are one file
    for content, words in ((zeros, "begins with 00000000"), (more, "has trailing bytes: its sizes are 2 x 3 x 4")):
        path = written(tmp_path, content)
        tracemalloc.start()
        with pytest.raises(InputError, match=words):
            read_idx(path, 3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000
    honest = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 10, 10, 10**6) + bytes(100_000_000), compresslevel=1)
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.1")
    with pytest.raises(InputError, match=r"x: reading 10 x 10 x 1000000 bytes would take about 0.2 GB of memory"):
        read_idx(written(tmp_path, honest), 3)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_idx(tmp_path / "none", 3)


def test_train_and_test_files_are_joined_in_this_order(tmp_path):
    for prefix, shift in (("t10k", 100), ("train", 0)):
        written(tmp_path, encoded(IMAGES + np.uint8(shift)), f"{prefix}-images-idx3-ubyte")
        written(tmp_path, gzip.compress(encoded(LABELS + np.uint8(shift))), f"{prefix}-labels-idx1-ubyte.gz")
    images, labels = read_idx_folder(tmp_path)
    np.testing.assert_array_equal(images, np.concatenate([IMAGES, IMAGES + 100]))
    np.testing.assert_array_equal(labels, [7, 1, 107, 101])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "holds no IDX files"),
        ({"images-idx3-ubyte": IMAGES}, "no file labels-idx1-ubyte"),
        ({"labels-idx1-ubyte": LABELS}, "no file images-idx3-ubyte"),
        ({"images-idx3-ubyte": IMAGES, "labels-idx1-ubyte": LABELS[:1]}, "1 labels for the 2 images"),
        ({"images-idx3-ubyte": LABELS, "labels-idx1-ubyte": LABELS}, "images-idx3-ubyte: begins with 00000801"),
        ({"images-idx3-ubyte": IMAGES, "labels-idx1-ubyte": IMAGES}, "labels-idx1-ubyte: begins with 00000803"),
        (
            {
                "images-idx3-ubyte": IMAGES,
                "labels-idx1-ubyte": LABELS,
                "t10k-images-idx3-ubyte": IMAGES.reshape(2, 4, 3),
                "t10k-labels-idx1-ubyte": LABELS,
            },
            "images of different sizes",
        ),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, files, words):
    for name, array in files.items():
        written(tmp_path, encoded(array), name)
    with pytest.raises(InputError, match=words):
        read_idx_folder(tmp_path)


def test_a_folder_must_be_one(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        read_idx_folder(tmp_path / "none")


@pytest.mark.skipif(not MNIST_8K.is_dir(), reason="the 8,000 real digits are not beside the repository")
def test_real_digits_are_read():
    images, labels = read_idx_folder(MNIST_8K)
    assert images.shape == (8000, 28, 28)
    assert images.max() == 255
    assert np.bincount(labels).min() > 600
