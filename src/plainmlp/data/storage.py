"""Data sets and their parts as folders: written whole or not at all, and read with every byte checked."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from plainmlp.data.arrays import Array, Dataset, Description, Part, description_from_dict
from plainmlp.data.preparation import Preparation
from plainmlp.data.splits import Splits
from plainmlp.data.stored import RowFile, StoredRows
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, read_json, replace_folder, write_json

MANIFEST = "manifest.json"
FILES_OPEN = 4
SPLITS_DIGESTED = 4  # at once in memory, as in a sweep


def digest_arrays(*arrays: Array | None) -> str:
    """Return the SHA-256 over the type, shape and bytes of arrays but None, in order, as hexadecimal digits.

    For rows that stay in their file, the file's digest and the rows' numbers replace the bytes.
    """
    digest = hashlib.sha256()
    for array in (each for each in arrays if each is not None):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        if isinstance(array, StoredRows):
            digest.update(array.digest().encode())
        else:
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def digest_dataset(dataset: Dataset) -> str:
    """Return the SHA-256 over the arrays of a data set and what they mean, as hexadecimal digits."""
    return _digest_parts({"": _digest_part(dataset.rows)}, dataset.description)


@lru_cache(SPLITS_DIGESTED)
def digest_splits(splits: Splits) -> str:
    """Return the SHA-256 over the arrays of every part of a data set and what they mean, as hexadecimal digits.

    The same object is digested once: its arrays never change.
    """
    return _digest_parts(part_digests(splits), splits.description)


@lru_cache(SPLITS_DIGESTED)
def part_digests(splits: Splits) -> dict[str, str]:
    """Return the SHA-256 over the arrays of each part of a data set, by the part's name, as hexadecimal digits."""
    return {name: _digest_part(part) for name, part in splits.parts().items()}


def _digest_part(part: Part) -> str:
    return digest_arrays(part.features, part.targets, part.weights)


def _digest_parts(arrays: dict[str, str], description: Description) -> str:
    """Return the digest of parts and their description, without which a category would be like a column of numbers."""
    return _digest_record({"arrays": arrays, "description": description.to_dict()})


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a data set as a folder of ``.npy`` arrays and a manifest; an earlier folder is replaced.

    Features that stay in their file are not copied: the manifest holds the file's path and digest.
    """
    _write_folder(folder, {"": dataset.rows}, {"description": dataset.description.to_dict()})


def read_dataset(folder: Path) -> Dataset:
    """Read the data set that `write_dataset` wrote."""
    manifest = read_manifest(folder)
    return Dataset(_read_part(folder, manifest, ""), description_from_dict(manifest["description"]))


def write_splits(folder: Path, splits: Splits) -> None:
    """Write the parts of a data set and their preparation as a folder; an earlier folder is replaced."""
    record = {
        "description": splits.description.to_dict(),
        "preparation": splits.preparation.to_dict(),
        "data_digest": splits.data_digest,
    }
    _write_folder(folder, {f"{name}_": part for name, part in splits.parts().items()}, record)


def read_splits(folder: Path) -> Splits:
    """Read the parts that `write_splits` wrote."""
    manifest = read_manifest(folder)
    has_validation = "validation_targets.npy" in manifest["files"]
    return Splits(
        train=_read_part(folder, manifest, "train_"),
        validation=_read_part(folder, manifest, "validation_") if has_validation else None,
        test=_read_part(folder, manifest, "test_"),
        description=description_from_dict(manifest["description"]),
        preparation=Preparation.from_dict(manifest["preparation"]),
        data_digest=manifest["data_digest"],
    )


def _write_folder(folder: Path, parts: dict[str, Part], record: dict[str, Any]) -> None:
    """Write the arrays of the parts, their names led by the part's, and the manifest with every digest."""
    with replace_folder(folder) as temporary:
        references: dict[str, Any] = {}
        for prefix, part in parts.items():
            arrays = {"targets": part.targets, "weights": part.weights, "rows": part.rows, "ids": part.ids}
            if isinstance(part.features, StoredRows):
                references[f"{prefix}features"] = _refer(part.features, folder)
            else:
                arrays["features"] = part.features
            for name, array in arrays.items():
                if array is not None:
                    np.save(temporary / f"{prefix}{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        write_manifest(temporary, record | ({"references": references} if references else {}))


def write_manifest(folder: Path, record: Mapping[str, Any]) -> None:
    """Write a record into a folder, with the digest of each file there and its own."""
    digests = {name: digest_file(folder / name) for name in _files_below(folder)}
    write_json(folder / MANIFEST, manifest_of(record, digests))


def manifest_of(record: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Return a record with the digests of files, by name, and its own."""
    manifest = {**record, "files": dict(digests)}
    return {**manifest, "digest": _digest_record(manifest)}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a folder's manifest; check that it and every file are as they were written, and that there is no other file."""
    path = folder / MANIFEST
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.pop("digest", None) != _digest_record(manifest):
        message = f"{path}: was changed after it was written; delete the folder and run the stage again"
        raise InputError(message)
    present = _files_below(folder)
    for name in sorted({*present} ^ {*manifest["files"], MANIFEST}):
        problem = "unexpected file" if name in present else "is missing"
        message = f"{folder / name}: {problem}; delete the folder and run the stage again"
        raise InputError(message)
    for name, digest in manifest["files"].items():
        if digest_file(folder / name) != digest:
            message = f"{folder / name}: is truncated or was changed after it was written; delete the folder and run the stage again"
            raise InputError(message)
    return manifest


def _files_below(folder: Path) -> list[str]:
    """Return the names of the files in a folder and below it, without those that begin with a dot."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return [path.relative_to(folder).as_posix() for path in files]


def _digest_record(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _read_part(folder: Path, manifest: dict[str, Any], prefix: str) -> Part:
    arrays: dict[str, Any] = {
        name: np.load(folder / f"{prefix}{name}.npy", allow_pickle=False)
        for name in ("features", "targets", "weights", "rows", "ids")
        if f"{prefix}{name}.npy" in manifest["files"]
    }
    if reference := manifest.get("references", {}).get(f"{prefix}features"):
        file = _open(folder / reference["path"], reference["digest"])
        arrays["features"] = StoredRows(file, range(*reference["range"]) if "range" in reference else arrays["rows"])
    return Part(**arrays)


def through_link(dataset: Dataset, link: Path) -> Dataset:
    """Return a data set whose features, if they stay in their file, are read through a link to its folder.

    The link is beside the folders that refer to the file, so that they can move together and the link can be renewed.
    """
    features = dataset.rows.features
    if not isinstance(features, StoredRows):
        return dataset
    linked = StoredRows(RowFile(link / features.file.path.name))
    return replace(dataset, rows=replace(dataset.rows, features=linked))


def _refer(rows: StoredRows, folder: Path) -> dict[str, Any]:
    """Return the file of rows, by path and digest, with their range if they are adjacent.

    A path below the parent of the folder that the reference is written to becomes relative to it, any other absolute.
    """
    path = rows.file.path.absolute()
    place = os.path.relpath(path, folder) if path.is_relative_to(folder.parent.absolute()) else str(path)
    reference: dict[str, Any] = {"path": place, "digest": rows.file.digest}
    return reference | ({"range": [rows.rows.start, rows.rows.stop]} if isinstance(rows.rows, range) else {})


@lru_cache(FILES_OPEN)
def _open(path: Path, digest: str) -> RowFile:
    """Return a file after checking that no byte has changed, once in each process."""
    file = RowFile(path)
    if file.digest != digest:
        message = f"{path}: was changed after it was fetched; fetch it again"
        raise InputError(message)
    return file
