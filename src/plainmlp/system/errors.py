"""The ways in which a run ends badly, each with the exit code of its command."""

from errno import EACCES, EDQUOT, EEXIST, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOSPC, ENOTDIR, EPERM, EROFS
from pathlib import Path

# what the system refuses for a path that the user gave, or for a folder that a command is started in
PATH_ERRORS = frozenset({EACCES, EPERM, EROFS, ENOENT, EEXIST, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP})
DISK_FULL = frozenset({ENOSPC, EDQUOT})
LONGEST_PATH = 200  # characters in a message


class InputError(Exception):
    """Report something that the user gave and can correct: a key, a value, a file.

    The message names the key or file, the value and what is allowed, in one line. Whatever reads or checks input may
    raise it; most docstrings do not repeat that.
    """

    exit_code = 2


class TrainingError(Exception):
    """Report a training that failed, for example because its loss is no longer finite."""

    exit_code = 1


class StorageError(OSError):
    """Report a file or folder that cannot be written, for example on a full disk; its earlier content is intact.

    Takes a number, a reason and a path, as every OSError does.
    """

    @property
    def exit_code(self) -> int:
        """Return 2 if another path would do, else 1."""
        return 2 if self.errno in PATH_ERRORS else 1

    def __str__(self) -> str:
        """Return the line."""
        return f"{_short(self.filename)}: cannot be written ({self.strerror}); its earlier content is intact"


def path_problem(error: OSError) -> str | None:
    """Return the line for an error about a path or a full disk; None for any other, such as a lost connection."""
    if isinstance(error, StorageError):
        return str(error)
    if error.errno in PATH_ERRORS and error.filename is not None:
        return f"{_short(error.filename)}: {error.strerror}"
    if error.errno in DISK_FULL:
        return f"{_short(error.filename or Path.cwd())}: {error.strerror}"
    return None


def _short(path: object) -> str:
    text = str(path)
    return text if len(text) <= LONGEST_PATH else f"{text[: LONGEST_PATH // 2]}...{text[-LONGEST_PATH // 2 :]}"
