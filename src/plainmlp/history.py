"""The history of a training: what was measured after each epoch, and its table on disk."""

import csv
from pathlib import Path

from plainmlp.errors import InputError
from plainmlp.storage import replace_file

History = dict[str, list[float]]


def write_history(path: Path, history: History) -> None:
    """Write a history as CSV, a row an epoch, no number rounded."""
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *history])
        writer.writerows([epoch, *values] for epoch, values in enumerate(zip(*history.values(), strict=True)))


def read_history(path: Path) -> History:
    """Read what `write_history` wrote.

    Raises
    ------
    InputError
        The file is missing or is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}
    except (OSError, ValueError, TypeError, IndexError) as error:
        message = f"{path}: is missing or damaged; train again ({error})"
        raise InputError(message) from error
