"""A leaderboard on the terminal."""

from typing import TYPE_CHECKING

from plainmlp.sweeps.ranking.leaderboard import TIED, UNTESTED, Leaderboard, Row
from plainmlp.sweeps.ranking.results import is_higher_better
from plainmlp.sweeps.ranking.swept import short_names

if TYPE_CHECKING:
    from rich.table import Table

SHOWN_ROWS = 10
MOST_LETTERS = 16
WIDEST = 200  # of a table that goes to a file


def show_leaderboard(board: Leaderboard) -> None:
    """Print the first rows of a leaderboard, how many more there are, and what the best is worth on the test part.

    Parameters
    ----------
    board : Leaderboard
    """
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console = Console(soft_wrap=True, highlight=False, width=WIDEST)
    if board.rows:
        direction = "higher" if is_higher_better(board.metric) else "lower"
        console.print(f"{board.metric} ({direction} is better), mean over n seeds and its 95 % interval")
        console.print(_table(board), soft_wrap=False)
    for line in _remarks(board):
        console.print(line, markup=False)


def _table(board: Leaderboard) -> "Table":
    """Return a table that wraps its heads, and not its values, where there is little room."""
    from rich.table import Table
    from rich.text import Text

    rows = [[str(rank), *_cells(row)] for rank, row in enumerate(board.rows[:SHOWN_ROWS], 1)]
    names = short_names(board.keys)
    heads = ("", *(names[key] for key in board.keys), "verdict", "n", "mean", "interval", "parameters", "seconds")
    table = Table(box=None, pad_edge=False)
    for head, values in zip(heads, zip(*rows, strict=True), strict=True):
        table.add_column(head, min_width=min(MOST_LETTERS, max(map(len, values))), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _cells(row: Row) -> list[str]:
    score, seconds = row.score, row.training_seconds
    return [
        *(value.replace(", ", ",") for value in row.settings.values()),
        row.verdict,
        str(score.n),
        f"{score.mean:.4g}",
        "" if score.interval is None else f"± {score.interval[1] - score.mean:.2g}",
        "" if row.n_parameters is None else f"{row.n_parameters:,}",
        "" if seconds is None else f"{seconds:.2f}",
    ]


def _remarks(board: Leaderboard) -> list[str]:
    more = len(board.rows) - SHOWN_ROWS
    n_tied = sum(row.verdict in {TIED, UNTESTED} for row in board.rows)
    remarks = [f"and {more} more rows in leaderboard.csv"] if more > 0 else []
    if n_tied:
        remarks.append(f"{n_tied} of {len(board.rows)} rows cannot be told from the best")
    if board.test:
        parts = (f"{name} {summary.mean:.4g}" for name, summary in board.test.items())
        remarks.append(f"the best on the test part: {', '.join(parts)}")
    if board.failures:
        remarks.append(f"{len(board.failures)} points failed, listed in leaderboard.md")
    return remarks
