"""The two ways in which a run ends badly, each with the exit code of its command."""


class InputError(Exception):
    """Report something that the user gave and can mend: a key, a value, a file.

    The message names the key or file, the value and what is allowed, in one line.
    """

    exit_code = 2


class TrainingError(Exception):
    """Report a training that failed, such as a loss that is not finite any more."""

    exit_code = 1
