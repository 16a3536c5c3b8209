"""IDX files of images and their labels: the format that MNIST is distributed in, gzip-ed or not."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.system.errors import InputError

IDX_PAIRS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ("images-idx3-ubyte", "labels-idx1-ubyte"),
)


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
        message = f"dataset.path: {folder} is no folder; allowed: a folder of IDX files"
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
        Of as many dimensions as asked for: 3 of images, 1 of labels.

    Notes
    -----
    Two zero bytes, 8 for unsigned bytes, the number of dimensions, their sizes as big-endian unsigned 32-bit integers,
    then the elements (LeCun, Cortes and Burges, 1998).
    """
    content = _content(path)
    magic = bytes((0, 0, 8, n_dimensions))
    if content[:4] != magic:
        message = (
            f"{path}: begins with {content[:4].hex() or 'nothing'}; allowed: an IDX file that begins with {magic.hex()}"
        )
        raise InputError(message)
    start = 4 + 4 * n_dimensions
    if len(content) < start:
        message = f"{path}: the file is truncated: it ends inside its header, after {len(content)} of {start} bytes"
        raise InputError(message)
    sizes = struct.unpack_from(f">{n_dimensions}I", content, 4)
    expected = start + math.prod(sizes)
    if len(content) != expected or 0 in sizes:
        problem = (
            "holds no values" if 0 in sizes else "is truncated" if len(content) < expected else "has trailing bytes"
        )
        sizes_text = " x ".join(map(str, sizes))
        message = f"{path}: {problem}: {len(content)} bytes, where its sizes {sizes_text} ask for {expected}"
        raise InputError(message)
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{path}: the gzip-ed file is truncated or damaged ({error})"
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
    raise InputError(message)
