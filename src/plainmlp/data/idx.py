"""IDX files of images and labels, gzip-ed or not: the format in which MNIST is distributed."""

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory

IDX_PAIRS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ("images-idx3-ubyte", "labels-idx1-ubyte"),
)
MAX_UNZIPPED = 1032  # bytes that a byte of a gzip-ed file can stand for


def read_idx_folder(folder: Path) -> tuple[Array, Array]:
    """Read every pair of image and label files in a folder, one after another.

    Parameters
    ----------
    folder : Path
        Holds pairs named as in `IDX_PAIRS`, each file with or without ``.gz``.

    Returns
    -------
    images : ndarray of shape (n_images, height, width), uint8
    labels : ndarray of shape (n_images,), uint8
    """
    if not folder.is_dir():
        message = f"dataset.path: {folder} is not a folder; allowed: a folder of IDX files"
        raise InputError(message)
    pairs = [_read_pair(folder, *names) for names in IDX_PAIRS if any(_file(folder, name) for name in names)]
    if not pairs:
        names = ", ".join(" + ".join(pair) for pair in IDX_PAIRS)
        message = f"dataset.path: {folder} holds no IDX files; allowed names, with or without .gz: {names}"
        raise InputError(message)
    sizes = {images.shape[1:] for images, _ in pairs}
    if len(sizes) > 1:
        message = f"dataset.path: {folder} holds images of different sizes: {sorted(sizes)}"
        raise InputError(message)
    return np.concatenate([images for images, _ in pairs]), np.concatenate([labels for _, labels in pairs])


def _read_pair(folder: Path, images_name: str, labels_name: str) -> tuple[Array, Array]:
    images_path, labels_path = _file(folder, images_name), _file(folder, labels_name)
    if images_path is None or labels_path is None:
        missing = images_name if images_path is None else labels_name
        message = f"dataset.path: {folder} holds no file {missing} (with or without .gz)"
        raise InputError(message)
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        message = f"{labels_path}: holds {len(labels)} labels for the {len(images)} images in {images_path.name}"
        raise InputError(message)
    return images, labels


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def read_idx(path: Path, n_dimensions: int) -> Array:
    """Read the array of bytes that an IDX file holds, gzip-ed or not.

    Returns
    -------
    ndarray of uint8
        With the given number of dimensions: 3 for images, 1 for labels.

    Notes
    -----
    Two zero bytes, 8 for unsigned bytes, the number of dimensions, their sizes as big-endian unsigned 32-bit integers,
    then the elements (LeCun, Cortes and Burges, 1998). No more is unpacked than these sizes need.
    """
    try:
        with path.open("rb") as plain:
            is_zipped = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as file:
            sizes = _read_sizes(file, n_dimensions, path)
            return _read_elements(file, sizes, path, path.stat().st_size * (MAX_UNZIPPED if is_zipped else 1))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{path}: the gzip-ed file is truncated or damaged ({error})"
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
    raise InputError(message)


def _read_sizes(file: BufferedIOBase, n_dimensions: int, path: Path) -> tuple[int, ...]:
    magic, length = bytes((0, 0, 8, n_dimensions)), 4 + 4 * n_dimensions
    header = file.read(length)
    if header[:4] != magic:
        found = header[:4].hex() or "nothing"
        message = f"{path}: begins with {found}; allowed: an IDX file that begins with {magic.hex()}"
        raise InputError(message)
    if len(header) < length:
        message = f"{path}: the file is truncated: it ends inside its header, after {len(header)} of {length} bytes"
        raise InputError(message)
    return struct.unpack_from(f">{n_dimensions}I", header, 4)


def _read_elements(file: BufferedIOBase, sizes: tuple[int, ...], path: Path, n_most: int) -> Array:
    """Read as many elements as the sizes say; the file can hold at most `n_most` bytes."""
    n_elements = math.prod(sizes)
    sizes_text = " x ".join(map(str, sizes))
    problem = "holds no values" if not n_elements else "is truncated"
    if 0 < n_elements <= n_most:
        require_memory(2 * n_elements, f"{path}: reading {sizes_text} bytes")
        content = file.read(n_elements)
        is_whole = len(content) == n_elements
        if is_whole and not file.read(1):
            return np.frombuffer(content, np.uint8).reshape(sizes)
        problem = "has trailing bytes" if is_whole else problem
    message = f"{path}: {problem}: its sizes are {sizes_text}"
    raise InputError(message)
