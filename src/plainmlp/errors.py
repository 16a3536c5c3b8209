"""The ways in which a run ends badly, each with the exit code of its command."""


class InputError(Exception):
    """Report something that the user gave and can mend: a key, a value, a file.

    The message names the key or file, the value and what is allowed, in one line.
    """

    exit_code = 2


class TrainingError(Exception):
    """Report a training that failed, such as a loss that is not finite any more."""

    exit_code = 1


class StorageError(Exception):
    """Report a file or folder that cannot be written, such as on a full disk; what was there before is whole.

    Parameters
    ----------
    path : path
    reason : str
    """

    exit_code = 1

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(path, reason)  # as they are, so that it goes through a pipe
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        """Return the line."""
        return f"{self.path}: cannot be written ({self.reason}); what was there before is whole"
