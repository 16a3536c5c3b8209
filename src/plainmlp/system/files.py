"""Files and folders that are written whole or not at all, and read with a line for what is wrong with them."""

import csv
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from errno import ENOSPC
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from plainmlp.system.errors import InputError, StorageError

# what an unfinished file is, and an earlier one that makes room
NEW, EARLIER = "new", "old"
UNFINISHED = re.compile(
    rf"\.(?P<stem>.*)\.(?P<kind>{NEW}|{EARLIER})-(?P<machine>[0-9a-f]{{8}})-(?P<process>\d+)-[0-9a-f]{{12}}(?P<suffix>(\..*)?)"
)
_is_flushing = ContextVar("is_flushing", default=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a `StorageError` if a file or folder cannot be written, such as on a full disk."""
    try:
        yield
    except OSError as error:
        # of an array that does not fit NumPy says how much did, with no number and no reason
        number = error.errno or ENOSPC
        raise StorageError(number, error.strerror or os.strerror(number), str(path)) from error


def user_cache() -> Path:
    """Return the folder for what makes this user's next command faster; it may be missing or not writable."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plainmlp"


def refuse_existing(path: Path) -> None:
    """Raise an `InputError` if a command would overwrite a file."""
    if path.exists() or path.is_symlink():
        message = f"{path} already exists; choose another file, or remove it"
        raise InputError(message)


def make_folder(folder: Path) -> None:
    """Make a folder unless it is there, which is the quicker question."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary file to write to, which replaces `path` if all goes well.

    Yields
    ------
    Path
        A name beside `path`, with the same suffix; its folder is made if it is missing. After an exception its file is
        removed and `path` is as before.
    """
    temporary = unfinished(path)
    with writing(path):
        make_folder(path.parent)
        try:
            yield temporary
            flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        flush(path.parent)


@contextmanager
def without_fsync() -> Iterator[None]:
    """Do not wait until what the block writes is on the disk; a dozen such waits take longer than a small training.

    Files are still replaced whole, but a power cut can damage them: use it for files that are checked when they are read
    and can be made again.
    """
    before = _is_flushing.set(False)
    try:
        yield
    finally:
        _is_flushing.reset(before)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV, no number rounded."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        _write_rows(file, header, rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as `write_csv` writes it."""
    with StringIO(newline="") as file:
        _write_rows(file, header, rows)
        return file.getvalue()


def _write_rows(file: TextIO, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value; NaN and infinity raise a `ValueError`."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return a value as `write_json` writes it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n"


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise InputError(message) from error


def read_json(path: Path) -> Any:
    """Read the value in a JSON file."""
    with _reading(path):
        content = path.read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        message = f"{path}: is damaged or not JSON ({error})"
        raise InputError(message) from error


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with _reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to write to, which replaces `folder` if all goes well.

    Yields
    ------
    Path
        An empty folder beside `folder`. After an exception it is removed and `folder` is as before.

    Notes
    -----
    Not every system can exchange a folder in one step: between two renames, neither the old nor the new one has its
    name. An exception there brings the old one back; a power cut leaves it as ``.<name>.*old*``.
    """
    temporary, earlier = unfinished(folder), unfinished(folder, EARLIER)
    with writing(folder):
        make_folder(folder.parent)
        try:
            temporary.mkdir()
            yield temporary
            for path in (*temporary.iterdir(), temporary):
                flush(path)
            if folder.exists():
                folder.rename(earlier)
            temporary.rename(folder)
        finally:
            if earlier.exists() and not folder.exists():
                earlier.rename(folder)
            for leftover in (temporary, earlier):
                shutil.rmtree(leftover, ignore_errors=True)
        flush(folder.parent)


def files_below(folder: Path) -> dict[str, Path]:
    """Return the files in a folder and in its folders, by their paths from it with / between the parts, sorted."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


@contextmanager
def passing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside a path, which is removed after the block."""
    folder = unfinished(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def unfinished(path: Path, kind: str = NEW) -> Path:
    """Return a name beside a path for an unfinished file or folder; remove what killed processes left there."""
    _remove_leftovers(path.parent)
    return path.with_name(f".{path.stem}.{kind}-{_machine()}-{os.getpid()}-{uuid4().hex[:12]}{path.suffix}")


@cache
def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files and folders of this machine's dead processes, once in each process."""
    for path in folder.glob(".*"):
        found = UNFINISHED.fullmatch(path.name)
        if found is None or found["machine"] != _machine() or _is_alive(int(found["process"])):
            continue
        if found["kind"] == EARLIER and not path.with_name(found["stem"] + found["suffix"]).exists():
            continue  # it was killed between two renames: this is the only copy
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


@cache
def _machine() -> str:
    """Return digits that distinguish this machine from others that may write to the same folder."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def flush(path: Path) -> None:
    """Make sure that a file's or a folder's content is on the disk, except in a block of `without_fsync`."""
    if not _is_flushing.get():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
