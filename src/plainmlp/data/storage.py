"""Files and folders of results: written whole or not at all, and read with every byte checked."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from errno import ENOSPC
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from plainmlp.data.arrays import Array, Dataset, Description, Part, Splits
from plainmlp.data.preparation import Preparation
from plainmlp.data.records import description_from_dict, description_to_dict
from plainmlp.data.references import open_reference, refer
from plainmlp.data.stored import StoredRows
from plainmlp.system.errors import InputError, StorageError

MANIFEST = "manifest.json"
SPLITS_DIGESTED = 4  # at once in memory, as in a sweep
_is_flushing = ContextVar("is_flushing", default=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line that a file or folder cannot be written.

    Parameters
    ----------
    path : Path
        What the block is about, under whichever name it writes that.

    Raises
    ------
    StorageError
        The disk is full, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        # of an array that does not fit NumPy says how much did, with no number and no reason
        number = error.errno or ENOSPC
        raise StorageError(number, error.strerror or os.strerror(number), str(path)) from error


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary file to write to, which takes the place of `path` once all went well.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.

    Yields
    ------
    Path
        An empty file beside `path` with the same suffix. After an exception it is removed and `path` is as it was.
    """
    temporary = _sibling(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush(path.parent)


@contextmanager
def unflushed() -> Iterator[None]:
    """Leave it to the system when what the block writes is on the disk.

    Files are still replaced whole, but a power cut can damage them: for what is checked when it is read, and can be
    made again. Waiting for the disk a dozen times takes longer than a small training.
    """
    before = _is_flushing.set(False)
    try:
        yield
    finally:
        _is_flushing.reset(before)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value.

    Raises
    ------
    ValueError
        A number is NaN or infinite.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with replace_file(path) as temporary:
        temporary.write_text(f"{text}\n", encoding="utf-8", newline="\n")


def read_json(path: Path) -> Any:
    """Read the value in a JSON file.

    Raises
    ------
    InputError
        The file is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
    except ValueError as error:
        message = f"{path}: is damaged, or no JSON ({error})"
    raise InputError(message)


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits.

    Raises
    ------
    InputError
        The file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
    raise InputError(message)


def digest_arrays(*arrays: Array) -> str:
    """Return the SHA-256 over the type, shape and bytes of arrays, in order, as hexadecimal digits.

    Of rows that stay in their file its digest and their numbers take the place of the bytes.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        if isinstance(array, StoredRows):
            digest.update(array.digest().encode())
        else:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def digest_dataset(dataset: Dataset) -> str:
    """Return the SHA-256 over the arrays of a data set and what they mean, as hexadecimal digits."""
    return _digest_parts({"": dataset.rows}, dataset.description)


@lru_cache(SPLITS_DIGESTED)
def digest_splits(splits: Splits) -> str:
    """Return the SHA-256 over the arrays of every part of a data set and what they mean, as hexadecimal digits.

    The same object is digested once: its arrays never change.
    """
    return _digest_parts(splits.parts(), splits.description)


def _digest_parts(parts: dict[str, Part], description: Description) -> str:
    """Return the digest of parts; a category's positions alone would be the same as a column of such numbers."""
    arrays = {
        name: digest_arrays(*(array for array in (part.features, part.targets, part.weights) if array is not None))
        for name, part in parts.items()
    }
    return _digest_record({"arrays": arrays, "description": description_to_dict(description)})


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a data set as a folder of ``.npy`` arrays and a manifest; an earlier folder is replaced.

    Of features that stay in their file the manifest has its path and digest, and no copy is made.

    Parameters
    ----------
    folder : Path
        Read it again with `read_dataset`.
    dataset : Dataset
    """
    _write_folder(folder, {"": dataset.rows}, {"description": description_to_dict(dataset.description)})


def read_dataset(folder: Path) -> Dataset:
    """Read the data set that `write_dataset` wrote.

    Raises
    ------
    InputError
        A file is missing, truncated, altered or does not belong there.
    """
    manifest = _checked_manifest(folder)
    return Dataset(_read_part(folder, manifest, ""), description_from_dict(manifest["description"]))


def write_splits(folder: Path, splits: Splits) -> None:
    """Write the parts of a data set and their preparation as a folder; an earlier folder is replaced.

    Parameters
    ----------
    folder : Path
        Read it again with `read_splits`.
    splits : Splits
    """
    record = {
        "description": description_to_dict(splits.description),
        "preparation": splits.preparation.to_dict(),
        "data_digest": splits.data_digest,
    }
    _write_folder(folder, {f"{name}_": part for name, part in splits.parts().items()}, record)


def read_splits(folder: Path) -> Splits:
    """Read the parts that `write_splits` wrote.

    Raises
    ------
    InputError
        A file is missing, truncated, altered or does not belong there.
    """
    manifest = _checked_manifest(folder)
    has_validation = "validation_targets.npy" in manifest["files"]
    return Splits(
        train=_read_part(folder, manifest, "train_"),
        validation=_read_part(folder, manifest, "validation_") if has_validation else None,
        test=_read_part(folder, manifest, "test_"),
        description=description_from_dict(manifest["description"]),
        preparation=Preparation.from_dict(manifest["preparation"]),
        data_digest=manifest["data_digest"],
    )


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to write to, which takes the place of `folder` once all went well.

    Parameters
    ----------
    folder : Path
        May exist already.

    Yields
    ------
    Path
        An empty folder beside `folder`. After an exception it is removed and `folder` is as it was.

    Notes
    -----
    A folder cannot be exchanged in one step everywhere: between two renames there is neither the old nor the new
    one under its name. An exception there brings the old one back; a power cut leaves it beside, as ``.<name>.*``.
    """
    temporary, earlier = _sibling(folder), _sibling(folder)
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.mkdir()
            yield temporary
            for path in (*temporary.iterdir(), temporary):
                _flush(path)
            if folder.exists():
                folder.rename(earlier)
            temporary.rename(folder)
        finally:
            if earlier.exists() and not folder.exists():
                earlier.rename(folder)
            for leftover in (temporary, earlier):
                shutil.rmtree(leftover, ignore_errors=True)
        _flush(folder.parent)


def _write_folder(folder: Path, parts: dict[str, Part], record: dict[str, Any]) -> None:
    """Write the arrays of the parts, their names led by the part's, and the manifest with every digest."""
    with replace_folder(folder) as temporary:
        references: dict[str, Any] = {}
        for prefix, part in parts.items():
            arrays = {"targets": part.targets, "weights": part.weights}
            if isinstance(part.features, StoredRows):
                references[f"{prefix}features"], arrays["rows"] = refer(part.features, folder)
            else:
                arrays["features"] = part.features
            for name, array in arrays.items():
                if array is not None:
                    np.save(temporary / f"{prefix}{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        files = {path.name: digest_file(path) for path in sorted(temporary.iterdir())}
        manifest = {**record, "files": files, **({"references": references} if references else {})}
        write_json(temporary / MANIFEST, {**manifest, "digest": _digest_record(manifest)})


def _checked_manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest and check it, that every file is there as it was written, and no other."""
    path = folder / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.pop("digest", None) != _digest_record(manifest):
        message = f"{path}: was altered since it was written; make the folder anew"
        raise InputError(message)
    present = {file.name for file in folder.iterdir() if not file.name.startswith(".")}
    for name in sorted(present ^ {*manifest["files"], MANIFEST}):
        problem = "does not belong there" if name in present else "is missing"
        message = f"{folder / name}: {problem}; make the folder anew"
        raise InputError(message)
    for name, digest in manifest["files"].items():
        if digest_file(folder / name) != digest:
            message = f"{folder / name}: is truncated or was altered since it was written; make the folder anew"
            raise InputError(message)
    return manifest


def _digest_record(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _read_part(folder: Path, manifest: dict[str, Any], prefix: str) -> Part:
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{prefix}{name}.npy", allow_pickle=False)
        for name in ("features", "targets", "weights", "rows")
        if f"{prefix}{name}.npy" in manifest["files"]
    }
    numbers = arrays.pop("rows", None)
    if f"{prefix}features" in manifest.get("references", {}):
        arrays["features"] = open_reference(folder, manifest["references"][f"{prefix}features"], numbers)
    return Part(**arrays)


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{uuid4().hex}{path.suffix}")


def _flush(path: Path) -> None:
    """Make sure that a file's or a folder's content is on the disk."""
    if not _is_flushing.get():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
