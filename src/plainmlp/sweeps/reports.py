"""The reports of a sweep: leaderboard and figures, the same from run to run, the times, and a table on the terminal."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.figures.pictures import SWEEP_FIGURES, TIMING_FIGURES, draw_sweep_figures
from plainmlp.sweeps.ranking.leaderboard import LOG_LOSS, PRUNED, TIED, UNTESTED, Leaderboard, Row
from plainmlp.sweeps.ranking.results import SEED, Failure, Result
from plainmlp.sweeps.ranking.statistics import Summary
from plainmlp.sweeps.ranking.swept import settings_of, short_names
from plainmlp.system.files import replace_file, replace_folder, write_csv, write_json
from plainmlp.system.wording import markdown_table
from plainmlp.tracking.outbox import PREFIX
from plainmlp.tracking.recording.page import LONGEST_NOTE
from plainmlp.tracking.terminal import show_line, show_table

VERDICTS = (
    "worse: behind the best by more than chance explains; if all settings were equal in truth, one of them or more would be "
    "called worse in 5 % of sweeps, with normal scores of equal spread (paired over seeds, the pick of the best taken into "
    "account). tied: cannot be told from the best. "
    "untested: fewer than two seeds in common with the best, so it cannot be told from it either."
)
PRUNING = (
    "pruned: behind others after as many epochs as `stop_after` says, and not trained on; ranked below all that were."
)
TIES = f"Of equal means the lower `{LOG_LOSS}` ranks first if there is one, then the smaller network."
SCORES = ("n", "mean", "standard_deviation", "low", "high")
OUTCOME = ("p_value", "verdict", "n_parameters", "n_failed")  # of a row
SHOWN = ("verdict", "n", "mean", "interval", "parameters", "seconds", "best run")  # on the terminal
BASELINE = "baseline"
SAME_ANSWER = "baseline: the best answer that is the same for every row"
SHOWN_ROWS = 10  # on the terminal
RUN_FILES = ("runs.csv", "training_time.png")  # what differs from run to run
NO_INTERVAL = ("the seeds agree", "-")  # of several, of one
SHOWN_LETTERS = 8  # of the id of a run


def write_reports(folder: Path, board: Leaderboard) -> None:
    """Write `leaderboard.csv`, `.json`, `.md` and the folder `figures`; equal results give equal bytes."""
    write_leaderboard(folder, board)
    with replace_folder(folder / "figures") as figures:
        draw_sweep_figures(SWEEP_FIGURES, board, figures)


def write_runs(folder: Path, board: Leaderboard) -> list[Path]:
    """Write `runs.csv` and, if times were recorded, `training_time.png`, and return their paths; both differ from run to run.

    The table says which run in MLflow each point is, and how long its training took.
    """
    lines = [
        [rank, *row.settings.values(), *_run_cells(result)]
        for rank, row in enumerate(board.rows, 1)
        for result in row.results
    ]
    header = ["rank", *board.keys, SEED, board.metric, "run_id", "point_id", "training_seconds"]
    write_csv(folder / "runs.csv", header, lines)
    return [folder / "runs.csv", *draw_sweep_figures(TIMING_FIGURES, board, folder)]


def _run_cells(result: Result) -> list[object]:
    child = result.child
    return [result.seed, result.value, child.run_id, child.point_id, child.metrics.get("training_seconds")]


def write_leaderboard(folder: Path, board: Leaderboard) -> None:
    """Write a leaderboard to `leaderboard.csv`, `.json` and `.md`; the same results give the same bytes."""
    header = ["rank", *board.keys, *SCORES, *OUTCOME]
    write_csv(folder / "leaderboard.csv", header, [_csv_cells(rank, row) for rank, row in enumerate(board.rows, 1)])
    write_json(folder / "leaderboard.json", _record(board))
    with replace_file(folder / "leaderboard.md") as temporary:
        temporary.write_text("\n".join(_markdown(board)) + "\n", encoding="utf-8", newline="\n")


def _csv_cells(rank: int, row: Row) -> list[object]:
    """Return a row's line in the CSV file; missing values stay empty."""
    score, ends = row.score, row.score.interval or (None, None)
    scores = (score.n, score.mean, score.standard_deviation, *ends)
    return [rank, *row.settings.values(), *scores, *_outcome(row).values()]


def _outcome(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in OUTCOME}


def _record(board: Leaderboard) -> dict[str, Any]:
    baseline = {} if board.baseline is None else {BASELINE: board.baseline}
    return {
        "metric": board.metric,
        "higher_is_better": is_higher_better(board.metric),
        **baseline,
        "keys": list(board.keys),
        "n_finished": sum(len(row.results) for row in board.rows),
        "n_failed": len(board.failures),
        "rows": [_row_record(rank, row) for rank, row in enumerate(board.rows, 1)],
        "best": {"test": {name: asdict(summary) for name, summary in board.test.items()}},
        "failures": [
            {"settings": _point(board, failure), "point_id": failure.child.point_id, "reason": failure.reason}
            for failure in board.failures
        ],
    }


def _row_record(rank: int, row: Row) -> dict[str, Any]:
    return {
        "rank": rank,
        "settings": row.settings,
        **asdict(row.score),
        **_outcome(row),
        "points": [
            {"seed": result.seed, "value": result.value, "point_id": result.child.point_id} for result in row.results
        ],
    }


def _point(board: Leaderboard, failure: Failure) -> dict[str, str]:
    return settings_of(failure.child.parameters, [*board.keys, SEED])


def _markdown(board: Leaderboard) -> list[str]:
    n_finished = sum(len(row.results) for row in board.rows)
    lines = ["# Leaderboard", ""]
    lines += [f"Ranked by the mean of `{board.metric}` over the seeds; {board.direction}."]
    lines += [f"{n_finished} points finished, {len(board.failures)} failed.", ""]
    names = list(short_names(board.keys).values())
    header = ["rank", *names, "n", "mean", "standard deviation", "95 % interval", "verdict", "parameters"]
    lines += markdown_table(header, _markdown_rows(board))
    baseline = [f"{SAME_ANSWER}."] if board.baseline is not None else []
    pruning = [PRUNING] if any(row.verdict == PRUNED for row in board.rows) else []
    lines += [TIES, VERDICTS, *pruning, *baseline, ""]
    if board.test:
        lines += ["## The best settings on the test part", ""]
        header = ["metric", "n", "mean", "standard deviation", "95 % interval"]
        lines += markdown_table(header, [[name, *_score_cells(summary)] for name, summary in board.test.items()])
    if board.failures:
        lines += ["## Failed points", ""]
        rows = [[*_point(board, failure).values(), failure.reason] for failure in board.failures]
        lines += markdown_table([*names, SEED, "reason"], rows)
    return lines[:-1]


def describe_sweep(board: Leaderboard, run_id: str) -> str:
    """Return the description of a sweep's run in Markdown: its leaderboard, in short, and how to go on from there."""
    header = ["rank", *short_names(board.keys).values(), "n", "mean", "interval", "verdict", "best run"]
    runs = [*(_shown_run(board, row) for row in board.rows[:SHOWN_ROWS]), ""]  # of the baseline none
    rows = [[*cell[:-4], *cell[-3:-1], run] for cell, run in zip(_markdown_rows(board, SHOWN_ROWS), runs, strict=False)]
    lines = [f"Mean of `{board.metric}` over n seeds; {board.direction}.", ""] if rows else []
    lines += [*(markdown_table(header, rows) if rows else []), *(f"{line}.\n" for line in _remarks(board))]
    lines += [f"{SAME_ANSWER}.\n"] if board.baseline is not None else []
    lines += [f"The best as the main job: `python pipelines/repro.py run={run_id}`\n"] if rows else []
    lines += [f"Rank and compute again: `python pipelines/verify.py --sweep {run_id}`"]
    return "\n".join(lines)[:LONGEST_NOTE]


def _markdown_rows(board: Leaderboard, most: int | None = None) -> list[list[str]]:
    """Return the cells of the first rows, and of the baseline if there is one."""
    rows = [
        [str(rank), *row.settings.values(), *_score_cells(row.score), row.verdict, _shown_size(row)]
        for rank, row in enumerate(board.rows[:most], 1)
    ]
    if board.baseline is not None:
        rows.append(["", *("" for _ in board.keys), "", f"{board.baseline:.4g}", "", "", BASELINE, ""])
    return rows


def _shown_size(row: Row) -> str:
    return "" if row.n_parameters is None else f"{row.n_parameters:,}"


def _score_cells(summary: Summary) -> list[str]:
    """Return n, mean, standard deviation and interval for readers, with dashes for missing values."""
    deviation, interval = summary.standard_deviation, summary.interval
    return [
        str(summary.n),
        f"{summary.mean:.4g}",
        "-" if deviation is None else f"{deviation:.2g}",
        NO_INTERVAL[summary.n == 1] if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}",
    ]


def show_leaderboard(board: Leaderboard) -> None:
    """Print the first rows of a leaderboard, how many more there are, and what the best is worth on the test part."""
    if board.rows:
        rows = [
            [str(rank), *_shown_cells(row), _shown_run(board, row)]
            for rank, row in enumerate(board.rows[:SHOWN_ROWS], 1)
        ]
        if board.baseline is not None:
            rows.append(["", *("" for _ in board.keys), BASELINE, "", f"{board.baseline:.4g}", "", "", "", ""])
        show_line(f"{board.metric} ({board.direction}), mean over n seeds and its 95 % interval")
        show_table(("", *short_names(board.keys).values(), *SHOWN), rows)
    for line in [*([SAME_ANSWER] if board.baseline is not None else []), *_remarks(board)]:
        show_line(line)


def _shown_cells(row: Row) -> list[str]:
    score, seconds = row.score, row.training_seconds
    return [
        *(value.replace(", ", ",") for value in row.settings.values()),
        row.verdict,
        str(score.n),
        f"{score.mean:.4g}",
        _shown_interval(score),
        _shown_size(row),
        "" if seconds is None else f"{seconds:.2f}",
    ]


def _shown_interval(score: Summary) -> str:
    """Return how far the interval reaches to both sides; its ends where one side is cut off."""
    if score.interval is None:
        return "" if score.n == 1 else "seeds agree"
    low, high = score.interval
    is_even = math.isclose(score.mean - low, high - score.mean, rel_tol=1e-6)
    return f"± {high - score.mean:.2g}" if is_even else f"{low:.2g} to {high:.2g}"


def _shown_run(board: Leaderboard, row: Row) -> str:
    """Return the beginning of the id of the run of a row's best seed, if MLflow has it."""
    run_id = board.best_result(row).child.run_id
    return "" if run_id.startswith(PREFIX) else run_id[:SHOWN_LETTERS]


def _remarks(board: Leaderboard) -> list[str]:
    more = len(board.rows) - SHOWN_ROWS
    n_pruned = sum(row.verdict == PRUNED for row in board.rows)
    n_tied = sum(row.verdict in {TIED, UNTESTED} for row in board.rows)
    remarks = [f"and {more} more rows in leaderboard.csv"] if more > 0 else []
    if board.n_first > 1:
        remarks.append(
            f"{board.n_first} rows share the best mean; the lower {LOG_LOSS} ranks first, then the smaller network"
        )
    if n_pruned:
        remarks.append(f"{n_pruned} of {len(board.rows)} rows were pruned before the end")
    if n_tied:
        remarks.append(f"{n_tied} of {len(board.rows)} rows are statistically tied with the best")
    if board.test:
        parts = (f"{name} {summary.mean:.4g}" for name, summary in board.test.items())
        remarks.append(f"the best on the test part: {', '.join(parts)}")
    if board.failures:
        remarks.append(f"{len(board.failures)} points failed, listed in leaderboard.md")
    return remarks
