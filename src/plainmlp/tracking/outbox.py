"""The outbox: what could not be sent to MLflow, whole on disk, a folder a run."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from plainmlp.system.errors import InputError
from plainmlp.system.files import write_json, writing
from plainmlp.tracking.header import PREFIX, Record, is_child, read_record
from plainmlp.tracking.operations import Operation

FOLDER = Path(".plainmlp") / "outbox"  # below a checkout
SCRIPT = Path("pipelines") / "sync.py"
HEADER, OPERATIONS, FILES = "record.json", "operations.jsonl", "files"


class Outbox:
    """The records of a checkout that wait to be published.

    Parameters
    ----------
    checkout : Path
        Several processes may use its outbox at once.
    """

    def __init__(self, checkout: Path) -> None:
        self.checkout, self.folder = checkout, checkout / FOLDER

    @property
    def command(self) -> str:
        """Return what publishes the records."""
        return f"python {os.path.relpath(self.checkout / SCRIPT)}"

    def holds(self, record_id: str) -> bool:
        """Say whether there is a record of this id."""
        return (self.folder / record_id / HEADER).exists()

    def keep(self, record: Record, operation: Operation | None = None, source: Path | None = None) -> None:
        """Add an operation to a record, which is made where it is missing.

        Parameters
        ----------
        record : Record
        operation : dict, optional
        source : Path, optional
            A file or folder that the operation is about; it is copied.
        """
        folder = self.folder / record.record_id
        with writing(folder), self.locked():
            if not (folder / HEADER).exists():
                write_json(folder / HEADER, asdict(record))
            if source is not None:
                operation = {**(operation or {}), "source": _copy(source, folder)}
            if operation is not None:
                _append(folder / OPERATIONS, json.dumps(operation))

    def record(self, record_id: str) -> Record:
        """Return a record.

        Raises
        ------
        InputError
            It is missing or damaged.
        """
        return read_record(self.folder / record_id / HEADER)

    def records(self) -> list[Record]:
        """Return all records, those of sweeps before those of their points, else by age.

        Raises
        ------
        InputError
            A record is damaged.
        """
        records = [read_record(path) for path in self.folder.glob(f"{PREFIX}*/{HEADER}")]
        return sorted(records, key=lambda record: (is_child(record), record.started, record.record_id))

    def operations(self, record_id: str) -> list[Operation]:
        """Return the operations of a record, in their order.

        Raises
        ------
        InputError
            The record is damaged.
        """
        path = self.folder / record_id / OPERATIONS
        whole = path.read_bytes()[: _whole_size(path)] if path.exists() else b""
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            message = f"{path}: is damaged ({error}); remove its folder to give up what it holds"
            raise InputError(message) from error

    def source(self, record_id: str, operation: Operation) -> Path | None:
        """Return the copy of the file or folder that an operation is about."""
        return self.folder / record_id / operation["source"] if "source" in operation else None

    def remove(self, record_id: str, n_operations: int | None = None) -> bool:
        """Remove a record, unless it has other than so many operations by now; say whether it is gone."""
        with self.locked():
            if not self.holds(record_id):
                return True
            if n_operations is not None and len(self.operations(record_id)) != n_operations:
                return False
            gone = self.folder / f".{record_id}.{uuid4().hex}"
            (self.folder / record_id).rename(gone)  # at once: half a record would be published as a whole one
        shutil.rmtree(gone)
        return True

    @contextmanager
    def locked(self, name: str = "lock", timeout: float = -1) -> Iterator[None]:
        """Let one process at a time do what the lock of a name is for.

        Raises
        ------
        filelock.Timeout
            Another process has held the lock for `timeout` seconds.
        """
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / name).acquire(timeout=timeout):
            yield


def _copy(source: Path, folder: Path) -> str:
    """Copy a file or folder below the record's; return where it is there."""
    place = Path(FILES) / uuid4().hex
    copy = folder / place / source.name
    try:
        copy.parent.mkdir(parents=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    except OSError:
        shutil.rmtree(copy.parent, ignore_errors=True)
        raise
    return (place / source.name).as_posix()


def _append(path: Path, line: str) -> None:
    """Add a line to a file, whole or not at all; what is left of one that was not written whole goes."""
    size = _whole_size(path) if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.truncate(size)
            file.write(f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        os.truncate(path, size)
        raise


def _whole_size(path: Path) -> int:
    """Return the size of the whole lines of a file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in {b"", b"\n"}:
            return size
        file.seek(0)
        return file.read().rfind(b"\n") + 1
