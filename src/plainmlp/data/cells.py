"""The cells of a table, and the place of each row in its source."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.system.errors import InputError
from plainmlp.system.wording import near_match, printable, shown

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES_SHOWN = 12


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a table, and words for where they come from.

    Parameters
    ----------
    frame : DataFrame
        Its column names are texts, each there once.
    source : str
        The file or the data set, as a message names it.
    lines : sequence of int, optional
        The line of each row in a text file. Without it rows are only counted, and the source gave every column its type.
    rows : ndarray of shape (n_rows,), integer, optional
        Which rows of the source these are; without it all of them.
    notes : tuple of str
        About the file, for the user.
    decimal : str, default "."
        The decimal sign of a text file, also in columns that were read as texts because of other cells.
    """

    frame: "DataFrame"
    source: str
    lines: Sequence[int] | None = None
    rows: NDArray[np.integer[Any]] | None = None
    notes: tuple[str, ...] = ()
    decimal: str = "."

    def place(self, row: int) -> str:
        """Return words for the place of a row, counted from 0."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {(row if self.rows is None else int(self.rows[row])) + 1}"

    def take(self, rows: NDArray[np.integer[Any]], note: str) -> "Cells":
        """Return the given rows of a whole table, with one more note."""
        lines = None if self.lines is None else [self.lines[row] for row in rows]
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return replace(self, frame=frame, lines=lines, rows=rows, notes=(*self.notes, note))


def check_names(names: Sequence[object], source: str) -> None:
    """Refuse column names that are not texts, are empty, or occur twice."""
    for position, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name.strip():
            message = (
                f"{source}: column {position} has no name (its header is {shown(name)}); every column needs one "
                "(pandas writes no index with index=False)"
            )
            raise InputError(message)
    for name, count in Counter(names).items():
        if count > 1:
            message = f"{source}: the column name {shown(name)} occurs {count} times; every column needs its own"
            raise InputError(message)


def check_column(key: str, name: str, names: Sequence[str], source: str) -> None:
    """Refuse a name that is not a column of the table."""
    if name in names:
        return
    match = near_match(name, names)
    meant = f"; did you mean {shown(match)}?" if match else ""
    message = f"{key}={shown(name)} is not a column of {source}{meant} (columns: {listed(names)})"
    raise InputError(message)


def listed(names: Sequence[str]) -> str:
    """Return names as one short text: if there are many, the first ones and their number."""
    rest = f" ... {len(names)} in all" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(printable, names[:NAMES_SHOWN])) + rest
