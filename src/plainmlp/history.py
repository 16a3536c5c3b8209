"""The history of a training: what was measured after each epoch, and its table on disk."""

import csv
from collections.abc import Sequence
from pathlib import Path

from plainmlp.errors import InputError
from plainmlp.storage import replace_file

History = dict[str, list[float]]
EPOCH, STATE_DIGEST = "epoch", "state_digest"  # columns that are no metrics


def write_history(path: Path, history: History, digests: Sequence[str]) -> None:
    """Write a history as CSV, a row an epoch, no number rounded.

    Parameters
    ----------
    path : Path
    history : History
    digests : sequence of str
        The hash chain of the training's states, an entry an epoch: the last column.
    """
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([EPOCH, *history, STATE_DIGEST])
        rows = zip(*history.values(), digests, strict=True)
        writer.writerows([epoch, *values] for epoch, values in enumerate(rows))


def read_history(path: Path) -> History:
    """Read the metrics that `write_history` wrote.

    Raises
    ------
    InputError
        The file is missing or is no such table.
    """
    rows = _read_rows(path)
    try:
        return {name: [float(row[name]) for row in rows] for name in rows[0] if name not in {EPOCH, STATE_DIGEST}}
    except (ValueError, TypeError) as error:
        raise InputError(_problem(path, error)) from error


def read_digests(path: Path) -> tuple[str, ...]:
    """Read the hash chain that `write_history` wrote.

    Raises
    ------
    InputError
        The file is missing or is no such table.
    """
    rows = _read_rows(path)
    try:
        return tuple(row[STATE_DIGEST] for row in rows)
    except KeyError as error:
        raise InputError(_problem(path, error)) from error


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table that has any."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError) as error:
        raise InputError(_problem(path, error)) from error
    if not rows:
        raise InputError(_problem(path, "it has no rows"))
    return rows


def _problem(path: Path, reason: object) -> str:
    return f"{path}: is missing or damaged; train again ({reason})"
