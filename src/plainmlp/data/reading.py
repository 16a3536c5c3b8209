"""A table as its file holds it: the cells, and where in the file each row stands."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import near_match, printable, reason, shown

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow.parquet import ParquetFile

NAMES_SHOWN = 12
BYTES_PER_VALUE = 32  # of a Parquet file, at the most at once: as it is read, in the table and among the features
BYTES_PER_BYTE = 8  # the same of a CSV file


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
    meant = f"; did you mean {shown(match)}?" if match else ""
    message = f"{key}={shown(name)} is no column of {source}{meant} (columns: {listed(names)})"
    raise InputError(message)


def listed(names: Sequence[str]) -> str:
    """Return names as one short text: of many, the first ones and how many there are."""
    rest = f" ... {len(names)} in all" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(printable, names[:NAMES_SHOWN])) + rest


def _read_csv(path: Path) -> Cells:
    from pandas import read_csv
    from pandas.errors import ParserError

    text = _text(path)
    lines = _row_lines(text, path)
    try:
        # One pass over whole columns (low_memory=False), so that a column's type does not hang on its length.
        frame = read_csv(io.StringIO(text, newline=""), index_col=False, low_memory=False)
    except ParserError as error:
        message = f"{path}: is no well-formed CSV ({reason(error)})"
        raise InputError(message) from None
    if len(frame) != len(lines):
        message = f"{path}: is no well-formed CSV: quotes or line ends leave {len(frame)} or {len(lines)} rows"
        raise InputError(message)
    return Cells(frame, str(path), lines)


def _read_parquet(path: Path) -> Cells:
    from pandas import read_parquet
    from pyarrow.lib import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with path.open("rb") as file:
            texts = _check_parquet(ParquetFile(file), path)
            frame = read_parquet(file, read_dictionary=texts)  # each text is unfolded once, and not once a row
    except (ArrowException, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        message = f"{path}: is no sound Parquet file ({reason(error)})"
        raise InputError(message) from None
    if frame.empty:
        message = f"{path}: the table is empty: {len(frame)} rows, {frame.shape[1]} columns"
        raise InputError(message)
    check_names(list(frame.columns), str(path))
    return Cells(frame.reset_index(drop=True), str(path))


def _check_parquet(file: "ParquetFile", path: Path) -> list[str]:
    """Refuse what is no table of single values, or does not fit the memory; return the columns of texts."""
    from pyarrow import types

    texts = [
        field.name for field in file.schema_arrow if types.is_string(field.type) or types.is_large_string(field.type)
    ]
    for field in file.schema_arrow:
        is_single = any(is_kind(field.type) for is_kind in (types.is_primitive, types.is_decimal, types.is_dictionary))
        if not (is_single or types.is_null(field.type) or field.name in texts):
            message = f"{path}: column {shown(field.name)} holds {field.type}; allowed: numbers, texts, true and false"
            raise InputError(message)
    size = file.metadata
    purpose = f"{path}: reading {size.num_rows} rows of {size.num_columns} columns"
    require_memory(size.num_rows * size.num_columns * BYTES_PER_VALUE, purpose)
    return texts


_READERS: dict[str, Callable[[Path], Cells]] = {".csv": _read_csv, ".parquet": _read_parquet}


def _text(path: Path) -> str:
    require_memory(path.stat().st_size * BYTES_PER_BYTE, f"{path}: reading its {path.stat().st_size} bytes")
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
