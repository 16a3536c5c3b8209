"""The ways in which a run ends badly, each with the exit code of its command."""


class InputError(Exception):
    """Report something that the user gave and can mend: a key, a value, a file.

    The message names the key or file, the value and what is allowed, in one line. Whatever reads or checks what a user
    gave may raise it, and most docstrings do not repeat that.
    """

    exit_code = 2


class TrainingError(Exception):
    """Report a training that failed, such as a loss that is not finite any more."""

    exit_code = 1


class StorageError(OSError):
    """Report a file or folder that cannot be written, such as on a full disk; what was there before is whole.

    Takes a number, a reason and a path, as every OSError does.
    """

    exit_code = 1

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.filename}: cannot be written ({self.strerror}); what was there before is whole"
