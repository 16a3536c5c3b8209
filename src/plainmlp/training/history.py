"""The history of a training: what was measured after each epoch and before certain steps, and its tables on disk."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from plainmlp.system.errors import InputError
from plainmlp.system.files import write_csv

History = dict[str, list[float]]
Table = tuple[list[str], Iterable[Sequence[object]]]  # a header and rows
Rows = list[dict[str, str]]
STEP = "step"
EPOCH, STATE_DIGEST = "epoch", "state_digest"  # columns that are no metrics


def write_history(path: Path, history: History, digests: Sequence[str]) -> None:
    """Write a history as CSV, no number rounded."""
    write_csv(path, *history_table(history, digests))


def history_table(history: History, digests: Sequence[str]) -> Table:
    """Return a history as a table with a row for each epoch; the last column has the digests, or is empty."""
    rows = zip(*history.values(), digests, strict=True)
    return [EPOCH, *history, STATE_DIGEST], ([epoch, *values] for epoch, values in enumerate(rows))


def write_steps(path: Path, steps: History) -> None:
    """Write what was measured before steps as CSV, no number rounded."""
    write_csv(path, *steps_table(steps))


def steps_table(steps: History) -> Table:
    """Return what was measured before steps as a table with a row for each; only a header if there are none."""
    return list(steps) or [STEP], zip(*steps.values(), strict=True)


def read_history(path: Path) -> History:
    """Read the metrics that `write_history` wrote."""
    with _reading(path) as rows:
        return _numbers(_some(rows))


def read_steps(path: Path) -> History:
    """Read what `write_steps` wrote."""
    with _reading(path) as rows:
        return _numbers(rows)


def read_digests(path: Path) -> tuple[str, ...]:
    """Read the digests of the states that `write_history` wrote."""
    with _reading(path) as rows:
        return tuple(row[STATE_DIGEST] for row in _some(rows))


@contextmanager
def _reading(path: Path) -> Iterator[Rows]:
    """Give the rows of a table; an error in the block says that the file is damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            yield list(csv.DictReader(file))
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{path}: is missing or damaged; train again ({error})"
        raise InputError(message) from error


def _some(rows: Rows) -> Rows:
    if not rows:
        message = "it has no rows"
        raise ValueError(message)
    return rows


def _numbers(rows: Rows) -> History:
    """Return the columns of a table that are metrics."""
    names = [name for name in (rows[0] if rows else ()) if name not in {EPOCH, STATE_DIGEST}]
    return {name: [float(row[name]) for row in rows] for name in names}
