"""A table as its file holds it: the cells, and where in the file each row stands."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.system.errors import InputError
from plainmlp.system.wording import near_match, shown

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a table and the words for where they come from.

    Parameters
    ----------
    frame : DataFrame
        Its column names are texts, each there once.
    source : str
        The file or the data set, as a message names it.
    lines : sequence of int, optional
        The line of each row in a text file. None says that the rows are just counted, and also that the
        source gave every column its type.
    """

    frame: "DataFrame"
    source: str
    lines: Sequence[int] | None = None

    def place(self, row: int) -> str:
        """Return the words for where a row, counted from 0, stands."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


def read_table(path: Path) -> Cells:
    """Read a ``.csv`` file (UTF-8, separated by commas, names in the first line) or a ``.parquet`` file."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        message = f"dataset.path: {path} ends in {shown(path.suffix)} (allowed: {', '.join(_READERS)})"
        raise InputError(message)
    try:
        return reader(path)
    except OSError as error:
        message = f"dataset.path: {path} cannot be read ({error.strerror or error})"
        raise InputError(message) from None


def check_names(names: Sequence[object], source: str) -> None:
    """Refuse column names that are no texts, empty, or there twice."""
    for position, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name.strip():
            message = (
                f"{source}: column {position} has no name (its header is {shown(name)}); every column needs one "
                "(pandas leaves its index out with index=False)"
            )
            raise InputError(message)
    for name, count in Counter(names).items():
        if count > 1:
            message = f"{source}: the column name {shown(name)} is there {count} times; every column needs its own"
            raise InputError(message)


def check_column(key: str, name: str, names: Sequence[str], source: str) -> None:
    """Refuse a name that is none of the table's columns."""
    if name in names:
        return
    match = near_match(name, names)
    meant = f"; did you mean '{match}'?" if match else ""
    message = f"{key}={shown(name)} is no column of {source}{meant} (columns: {listed(names)})"
    raise InputError(message)


def listed(names: Sequence[str]) -> str:
    """Return names as one short text: of many, the first ones and how many there are."""
    rest = f" ... {len(names)} in all" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + rest


def _read_csv(path: Path) -> Cells:
    from pandas import read_csv
    from pandas.errors import ParserError

    text = _text(path)
    lines = _row_lines(text, path)
    try:
        # One pass over whole columns (low_memory=False), so that a column's type does not hang on its length.
        frame = read_csv(io.StringIO(text, newline=""), index_col=False, low_memory=False)
    except ParserError as error:
        message = f"{path}: is no well-formed CSV ({' '.join(str(error).split())})"
        raise InputError(message) from None
    if len(frame) != len(lines):
        message = f"{path}: is no well-formed CSV: quotes or line ends leave {len(frame)} or {len(lines)} rows"
        raise InputError(message)
    return Cells(frame, str(path), lines)


def _read_parquet(path: Path) -> Cells:
    from pandas import read_parquet
    from pyarrow.lib import ArrowException

    path.stat()
    try:
        frame = read_parquet(path)
    except (ArrowException, ValueError) as error:
        message = f"{path}: is no sound Parquet file ({' '.join(str(error).split())})"
        raise InputError(message) from None
    if frame.empty:
        message = f"{path}: the table is empty: {len(frame)} rows, {frame.shape[1]} columns"
        raise InputError(message)
    check_names(list(frame.columns), str(path))
    return Cells(frame.reset_index(drop=True), str(path))


_READERS: dict[str, Callable[[Path], Cells]] = {".csv": _read_csv, ".parquet": _read_parquet}


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path}: is not UTF-8: byte {content[error.start]:#04x} in line {line}; save the file as UTF-8"
        raise InputError(message) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = f"{path}: is no text: a zero byte in line {line}"
        raise InputError(message)
    return text


def _row_lines(text: str, path: Path) -> list[int]:
    """Check the outline of a CSV and return the line in which each row after the header starts."""
    rows = _rows(text, path)
    _, header = next(rows, (0, []))
    if not header:
        message = f"{path}: the file is empty"
        raise InputError(message)
    check_names(header, str(path))
    lines = []
    for line, cells in rows:
        if len(cells) != len(header):
            message = f"{path}: line {line} has {len(cells)} cells where the header has {len(header)}"
            raise InputError(message)
        lines.append(line)
    if not lines:
        message = f"{path}: the file holds a header only; rows must follow it"
        raise InputError(message)
    return lines


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{path}: line {line} is no well-formed CSV ({error})"
        raise InputError(message) from None
