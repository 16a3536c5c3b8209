"""The files of a leaderboard: CSV for programs, JSON with all of it, Markdown for readers, and what took how long."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from plainmlp.sweeps.ranking.leaderboard import Leaderboard, Row
from plainmlp.sweeps.ranking.results import SEED, Failure, is_higher_better
from plainmlp.sweeps.ranking.statistics import Summary
from plainmlp.sweeps.ranking.swept import settings_of, short_names
from plainmlp.system.files import replace_file, write_json

VERDICTS = (
    "tied: cannot be told from the best (paired t-test over common seeds, corrected by Holm, level 0.05); "
    "untested: fewer than two seeds in common with the best, so it cannot be told from it either."
)
SCORES = ("n", "mean", "standard_deviation", "low", "high")


def write_leaderboard(folder: Path, board: Leaderboard) -> None:
    """Write a leaderboard to `leaderboard.csv`, `.json` and `.md`; the same results give the same bytes.

    Parameters
    ----------
    folder : Path
    board : Leaderboard
    """
    header = ["rank", *board.keys, *SCORES, "p_value", "verdict", "n_parameters", "n_failed"]
    _write_csv(folder / "leaderboard.csv", header, [_cells(rank, row) for rank, row in enumerate(board.rows, 1)])
    write_json(folder / "leaderboard.json", _record(board))
    with replace_file(folder / "leaderboard.md") as temporary:
        temporary.write_text("\n".join(_lines(board)) + "\n", encoding="utf-8", newline="\n")


def write_timing(path: Path, board: Leaderboard) -> None:
    """Write where each point's run is and how long its training took, which differs from run to run, as CSV."""
    points = [(rank, result) for rank, row in enumerate(board.rows, 1) for result in row.results]
    lines = [
        [rank, result.seed, result.child.point_id, result.child.run_id, result.child.metrics.get("training_seconds")]
        for rank, result in points
    ]
    _write_csv(path, ["rank", SEED, "point_id", "run_id", "training_seconds"], lines)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with replace_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _cells(rank: int, row: Row) -> list[object]:
    """Return a row's line in the CSV file; what there is not stays empty."""
    score, (low, high) = row.score, row.score.interval or (None, None)
    scores = (score.n, score.mean, score.standard_deviation, low, high)
    return [rank, *row.settings.values(), *scores, row.p_value, row.verdict, row.n_parameters, row.n_failed]


def _record(board: Leaderboard) -> dict[str, Any]:
    return {
        "metric": board.metric,
        "higher_is_better": is_higher_better(board.metric),
        "keys": list(board.keys),
        "n_finished": sum(len(row.results) for row in board.rows),
        "n_failed": len(board.failures),
        "rows": [_row_record(rank, row) for rank, row in enumerate(board.rows, 1)],
        "best": {"test": {name: _summary_record(summary) for name, summary in board.test.items()}},
        "failures": [
            {"settings": _point(board, failure), "point_id": failure.child.point_id, "reason": failure.reason}
            for failure in board.failures
        ],
    }


def _row_record(rank: int, row: Row) -> dict[str, Any]:
    return {
        "rank": rank,
        "settings": row.settings,
        **_summary_record(row.score),
        "p_value": row.p_value,
        "verdict": row.verdict,
        "n_parameters": row.n_parameters,
        "n_failed": row.n_failed,
        "points": [
            {"seed": result.seed, "value": result.value, "point_id": result.child.point_id} for result in row.results
        ],
    }


def _summary_record(summary: Summary) -> dict[str, Any]:
    interval = None if summary.interval is None else list(summary.interval)
    return {
        "n": summary.n,
        "mean": summary.mean,
        "standard_deviation": summary.standard_deviation,
        "interval": interval,
    }


def _point(board: Leaderboard, failure: Failure) -> dict[str, str]:
    return settings_of(failure.child.parameters, [*board.keys, SEED])


def _lines(board: Leaderboard) -> list[str]:
    direction = "higher" if is_higher_better(board.metric) else "lower"
    n_finished = sum(len(row.results) for row in board.rows)
    lines = ["# Leaderboard", ""]
    lines += [f"Ranked by the mean of `{board.metric}` over the seeds; {direction} is better."]
    lines += [f"{n_finished} points finished, {len(board.failures)} failed.", ""]
    names = [short_names(board.keys)[key] for key in board.keys]
    header = ["rank", *names, "n", "mean", "standard deviation", "95 % interval", "verdict", "parameters"]
    lines += _table(header, [_shown(rank, row) for rank, row in enumerate(board.rows, 1)])
    lines += [VERDICTS, ""]
    if board.test:
        lines += ["## The best settings on the test part", ""]
        header = ["metric", "n", "mean", "standard deviation", "95 % interval"]
        lines += _table(header, [[name, *score_cells(summary)] for name, summary in board.test.items()])
    if board.failures:
        lines += ["## Failed points", ""]
        rows = [[*_point(board, failure).values(), failure.reason] for failure in board.failures]
        lines += _table([*names, SEED, "reason"], rows)
    return lines[:-1]


def _shown(rank: int, row: Row) -> list[str]:
    size = "" if row.n_parameters is None else f"{row.n_parameters:,}"
    return [str(rank), *row.settings.values(), *score_cells(row.score), row.verdict, size]


def score_cells(summary: Summary) -> list[str]:
    """Return n, mean, standard deviation and interval to be read; what there is not as a dash."""
    deviation, interval = summary.standard_deviation, summary.interval
    return [
        str(summary.n),
        f"{summary.mean:.4g}",
        "-" if deviation is None else f"{deviation:.2g}",
        "-" if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}",
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown and an empty one after it."""
    lines = (f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in row)} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|" + " --- |" * len(header), *lines, ""]
