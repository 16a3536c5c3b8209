"""The cells of a table, and where in its source each row stands."""

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
    rows : ndarray of shape (n_rows,), integer, optional
        Which rows of the source these are; without it all of them.
    notes : tuple of str
        What was found out about the file and has to be said.
    decimal : str, default "."
        The sign in the numbers of a text file, also of those that could not be read because of others in their column.
    """

    frame: "DataFrame"
    source: str
    lines: Sequence[int] | None = None
    rows: NDArray[np.integer[Any]] | None = None
    notes: tuple[str, ...] = ()
    decimal: str = "."

    def place(self, row: int) -> str:
        """Return the words for where a row, counted from 0, stands."""
        if self.lines is not None:
            return f"line {self.lines[row]}"
        return f"row {(row if self.rows is None else int(self.rows[row])) + 1}"

    def take(self, rows: NDArray[np.integer[Any]], note: str) -> "Cells":
        """Return the given rows of a whole table, with one more note."""
        lines = None if self.lines is None else [self.lines[row] for row in rows]
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return replace(self, frame=frame, lines=lines, rows=rows, notes=(*self.notes, note))


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
    message = f"{key}={shown(name)} is not a column of {source}{meant} (columns: {listed(names)})"
    raise InputError(message)


def listed(names: Sequence[str]) -> str:
    """Return names as one short text: of many, the first ones and how many there are."""
    rest = f" ... {len(names)} in all" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(printable, names[:NAMES_SHOWN])) + rest
