"""IDX files: the format that MNIST is distributed in, gzip-ed or not."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.system.errors import InputError

ELEMENT_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_DIMENSIONS = 64  # as many as a NumPy array may have

IDX_PAIRS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ("images-idx3-ubyte", "labels-idx1-ubyte"),
)


def read_idx(path: Path) -> Array:
    """Read the array that an IDX file holds.

    Returns
    -------
    ndarray
        uint8, int8, int16, int32, float32 or float64 in native byte order, of the shape in the file's header.

    Notes
    -----
    Two zero bytes, a code of the element type, the number of dimensions, their sizes as big-endian unsigned 32-bit
    integers, then the elements, big-endian (LeCun, Cortes and Burges, 1998).
    """
    content = _content(path)
    element_type, n_dimensions = _magic(path, content)
    start = 4 + 4 * n_dimensions
    if len(content) < start:
        message = f"{path}: the file is truncated: it ends inside its header, after {len(content)} of {start} bytes"
        raise InputError(message)
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", n_dimensions, 4))
    _check_length(path, shape, len(content) - start, element_type.itemsize)
    return np.frombuffer(content, element_type, offset=start).reshape(shape).astype(element_type.newbyteorder("="))


def read_idx_folder(folder: Path) -> tuple[Array, Array]:
    """Read every pair of image and label files in a folder, one after another.

    Parameters
    ----------
    folder : Path
        Holds pairs named as in `IDX_PAIRS`, each file with or without ``.gz``.

    Returns
    -------
    images : ndarray of shape (n_images, height, width), uint8
    labels : ndarray of shape (n_images,), integer
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


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    except EOFError:
        message = f"{path}: the gzip-ed file is truncated"
        raise InputError(message) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        message = f"{path}: the gzip-ed file is damaged ({error})"
        raise InputError(message) from None
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise InputError(message) from None


def _magic(path: Path, content: bytes) -> tuple[np.dtype[np.generic], int]:
    """Return the element type and the number of dimensions from the first four bytes."""
    magic = content[:4]
    if len(magic) < 4:
        message = f"{path}: the file is truncated: {len(magic)} bytes are too few for an IDX file"
        raise InputError(message)
    if magic[:2] != b"\0\0" or magic[2] not in ELEMENT_TYPES or not 1 <= magic[3] <= MOST_DIMENSIONS:
        codes = ", ".join(f"{code:02x}" for code in ELEMENT_TYPES)
        message = (
            f"{path}: the magic number {magic.hex()} is not that of an IDX file "
            f"(allowed: 0000, one of {codes}, then 01 to {MOST_DIMENSIONS:02x})"
        )
        raise InputError(message)
    return np.dtype(ELEMENT_TYPES[magic[2]]), magic[3]


def _check_length(path: Path, shape: tuple[int, ...], n_bytes: int, element_size: int) -> None:
    expected = math.prod(shape) * element_size
    sizes = " x ".join(str(size) for size in shape)
    if expected == 0:
        message = f"{path}: the file holds no values: its sizes are {sizes}"
        raise InputError(message)
    if n_bytes != expected:
        problem = "the file is truncated" if n_bytes < expected else "there are trailing bytes"
        message = f"{path}: {problem}: {n_bytes} bytes follow the header where its sizes {sizes} ask for {expected}"
        raise InputError(message)


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _read_pair(folder: Path, images_name: str, labels_name: str) -> tuple[Array, Array]:
    images_path, labels_path = _file(folder, images_name), _file(folder, labels_name)
    if images_path is None or labels_path is None:
        missing = images_name if images_path is None else labels_name
        message = f"dataset.path: {folder} holds no file {missing} (with or without .gz)"
        raise InputError(message)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8:
        message = f"{images_path}: holds {images.dtype} in {images.ndim} dimensions; images are uint8 in 3 dimensions"
        raise InputError(message)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        message = f"{labels_path}: holds {labels.dtype} in {labels.ndim} dimensions; labels are integers in 1 dimension"
        raise InputError(message)
    if len(images) != len(labels):
        message = f"{labels_path}: holds {len(labels)} labels for the {len(images)} images in {images_path.name}"
        raise InputError(message)
    return images, labels
