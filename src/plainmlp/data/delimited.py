"""Text tables: the format is detected if it is unambiguous; pandas reads the cells."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from plainmlp.config.schema import DatasetSection
from plainmlp.data.cells import Cells, check_names
from plainmlp.system.errors import InputError
from plainmlp.system.memory import require_memory
from plainmlp.system.wording import reason, shown

BYTES_PER_BYTE = 8  # of memory at the most at once: as text, in the table and among the features
UNPACKED_AT_ONCE = 1 << 24
SAMPLE = 100_000  # characters in which separator and decimal sign are detected
SEPARATORS: dict[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
DECIMALS: dict[str, str] = {"point": ".", "comma": ","}
_NUMBER_WITH = {name: re.compile(rf"[+-]?\d+{re.escape(sign)}\d+") for name, sign in DECIMALS.items()}


def read_delimited(path: Path, own: str, keys: DatasetSection) -> Cells:
    """Read a text table with names in its first line, gzip-ed or not.

    Parameters
    ----------
    own : str
        The separator that suits the file's ending, for `separator=auto` unless only another one fits the rows.
    keys : DatasetSection
        Only its `separator`, `decimal`, `encoding` and `missing_values` are read.
    """
    from pandas import read_csv
    from pandas.errors import ParserError

    text = _text(path, keys.encoding)
    separator = _separator(text, own) if keys.separator == "auto" else keys.separator
    lines = _row_lines(text, path, separator)
    decimal = _decimal(text, separator) if keys.decimal == "auto" else keys.decimal
    try:
        # One pass over whole columns (low_memory=False), so that a column's type does not hang on its length.
        frame = read_csv(
            io.StringIO(text, newline=""),
            sep=SEPARATORS[separator],
            decimal=DECIMALS[decimal],
            na_values=list(keys.missing_values),
            index_col=False,
            low_memory=False,
        )
    except ParserError as error:
        message = f"{path}: is not well-formed CSV ({reason(error)})"
        raise InputError(message) from None
    if len(frame) != len(lines):
        message = f"{path}: is not well-formed CSV: quotes or line ends leave {len(frame)} or {len(lines)} rows"
        raise InputError(message)
    found = [f"separator {separator}"] * (separator != own) + [f"decimal {decimal}"] * (decimal != "point")
    notes = (f"read with {', '.join(found)}",) if found else ()
    return Cells(frame, str(path), lines, notes=notes, decimal=DECIMALS[decimal])


def _text(path: Path, encoding: str) -> str:
    content = _content(path)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        message = f"dataset.encoding={shown(encoding)} is unknown; allowed: a text encoding of Python, such as utf-8 or cp1252"
        raise InputError(message) from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = (
            f"{path}: is not {encoding.upper()}: byte {content[error.start]:#04x} in line {line}; save the file as UTF-8, or "
            "name its encoding, such as dataset.encoding=cp1252"
        )
        raise InputError(message) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = f"{path}: is not text: a zero byte in line {line}"
        raise InputError(message)
    return text


def _content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip-ed; refuse more than fit into memory."""
    require_memory(path.stat().st_size * BYTES_PER_BYTE, f"{path}: reading its {path.stat().st_size} bytes")
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while piece := file.read(UNPACKED_AT_ONCE):
                content += piece
                require_memory(len(content) * BYTES_PER_BYTE, f"{path}: unpacking {len(content)} bytes or more")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        message = f"{path}: the gzip-ed file is truncated or damaged ({error})"
        raise InputError(message) from None
    return bytes(content)


def _separator(text: str, own: str) -> str:
    """Return the separator that gives all rows as many cells as the header; the file's own if it does, or several do."""
    samples = {name: _sample(text, sign) for name, sign in SEPARATORS.items()}
    present = [name for name, rows in samples.items() if rows and len(rows[0]) > 1]
    fitting = [name for name in present if len({*map(len, samples[name])}) == 1]
    if own in present and (own in fitting or not fitting):
        return own
    chosen = fitting or present
    return chosen[0] if len(chosen) == 1 else own


def _decimal(text: str, separator: str) -> str:
    """Return the decimal sign: a comma if some numbers have one and none has a point."""
    if separator == "comma":
        return "point"
    cells = [cell.strip() for row in _sample(text, SEPARATORS[separator])[1:] for cell in row]
    has = {name: any(map(number.fullmatch, cells)) for name, number in _NUMBER_WITH.items()}
    return "comma" if has["comma"] and not has["point"] else "point"


def _sample(text: str, sign: str) -> list[list[str]]:
    """Return the first rows that are not blank, none of them cut."""
    reader = csv.reader(io.StringIO(text[:SAMPLE], newline=""), delimiter=sign)
    try:
        rows = [cells for cells in reader if cells]
    except csv.Error:
        return []
    return rows[:-1] if len(text) > SAMPLE else rows


def _row_lines(text: str, path: Path, separator: str) -> list[int]:
    """Check the shape of a table and return the line in which each row after the header starts."""
    rows = _rows(text, path, SEPARATORS[separator])
    _, header = next(rows, (0, []))
    if not header:
        message = f"{path}: the file is empty"
        raise InputError(message)
    check_names(header, str(path))
    lines = []
    for line, cells in rows:
        if len(cells) != len(header):
            message = f"{path}: line {line} has {len(cells)} cells where the header has {len(header)}{_hint(header)}"
            raise InputError(message)
        lines.append(line)
    if not lines:
        message = f"{path}: the file holds only a header; rows must follow it"
        raise InputError(message)
    return lines


def _hint(header: Sequence[str]) -> str:
    """Say which separator may be meant if the names of the columns hold one."""
    inside = [name for name, sign in SEPARATORS.items() if any(sign in cell for cell in header)]
    return f"; is the separator another one? (dataset.separator={' or '.join(inside)})" if inside else ""


def _rows(text: str, path: Path, sign: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"{path}: line {line} is not well-formed CSV ({error})"
        raise InputError(message) from None
