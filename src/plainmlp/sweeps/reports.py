"""The reports of a sweep: leaderboard and figures, the same from run to run; times; the terminal; charts in MLflow."""

import math
from collections.abc import Sequence
from dataclasses import asdict, astuple
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
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.tags import PARENT_TAG
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
# columns beside rank and settings: of leaderboard.md, of the description in MLflow, and on the terminal
WHOLE = ("n", "mean", "standard deviation", "95 % interval", "verdict", "parameters")
NOTED = ("n", "mean", "95 % interval", "verdict", "best run")
SHOWN = ("verdict", "n", "mean", "interval", "parameters", "seconds", "best run")
BASELINE = "baseline"
SAME_ANSWER = "baseline: the best answer that is the same for every row"
SHOWN_ROWS = 10  # on the terminal
RUN_FILES = ("runs.csv", "training_time.png")  # what differs from run to run
NO_INTERVAL = ("the seeds agree", "-")  # of several, of one
SHOWN_LETTERS = 8  # of the id of a run
# of the charts in MLflow's pages
SECTION = {"uuid": "swept", "display": True, "isReordered": False, "deleted": False, "isGenerated": False}
CHART = {"type": "SCATTER", "runsCountToCompare": 100, "metricSectionId": SECTION["uuid"], "deleted": False}


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
    n, mean, deviation, interval = astuple(row.score)
    return [rank, *row.settings.values(), n, mean, deviation, *(interval or (None, None)), *_outcome(row).values()]


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
    lines += markdown_table(["rank", *names, *WHOLE], _table(board, WHOLE))
    baseline = [f"{SAME_ANSWER}."] if board.baseline is not None else []
    pruning = [PRUNING] if any(row.verdict == PRUNED for row in board.rows) else []
    lines += [TIES, VERDICTS, *pruning, *baseline, ""]
    if board.test:
        lines += ["## The best settings on the test part", ""]
        rows = [[name, *_score_cells(summary).values()] for name, summary in board.test.items()]
        lines += markdown_table(["metric", *_score_cells(board.rows[0].score)], rows)
    if board.failures:
        lines += ["## Failed points", ""]
        rows = [[*_point(board, failure).values(), failure.reason] for failure in board.failures]
        lines += markdown_table([*names, SEED, "reason"], rows)
    return lines[:-1]


def describe_sweep(board: Leaderboard, run_id: str, charts: str = "") -> str:
    """Return the description of a sweep's run in Markdown: its leaderboard, in short, and how to go on from there.

    `charts` is the address of the charts of its points, if there are any.
    """
    header = ["rank", *short_names(board.keys).values(), "n", "mean", "interval", "verdict", "best run"]
    link = f" [Charts of the points]({charts})." if charts else ""  # first, since the pages fold what follows
    lines = []
    if board.rows:
        lines += [f"Mean of `{board.metric}` over n seeds; {board.direction}.{link}", ""]
        lines += markdown_table(header, _table(board, NOTED, SHOWN_ROWS))
    lines += [f"{line}.\n" for line in _remarks(board)]
    lines += [f"The best as the main job: `python pipelines/repro.py run={run_id}`\n"] if board.rows else []
    lines += [f"Rank and compute again: `python pipelines/verify.py --sweep {run_id}`"]
    return "\n".join(lines)[:LONGEST_NOTE]


def _table(board: Leaderboard, columns: Sequence[str], most: int | None = None) -> list[list[str]]:
    """Return the cells of the first rows, and of the baseline if there is one: rank, settings, and these columns."""
    rows = [(str(rank), row.settings, _cells(board, row)) for rank, row in enumerate(board.rows[:most], 1)]
    if board.baseline is not None:
        cells = {"mean": f"{board.baseline:.4g}", "verdict": BASELINE}
        rows.append(("", dict.fromkeys(board.keys, ""), cells))
    return [[rank, *settings.values(), *(cells.get(name, "") for name in columns)] for rank, settings, cells in rows]


def _cells(board: Leaderboard, row: Row) -> dict[str, str]:
    """Return all columns of a row for readers."""
    run_id = board.best_result(row).child.run_id
    return {
        **_score_cells(row.score),
        "interval": _shown_interval(row.score),
        "verdict": row.verdict,
        "parameters": "" if row.n_parameters is None else f"{row.n_parameters:,}",
        "seconds": "" if row.training_seconds is None else f"{row.training_seconds:.2f}",
        "best run": "" if run_id.startswith(PREFIX) else run_id[:SHOWN_LETTERS],  # only MLflow's own
    }


def _score_cells(summary: Summary) -> dict[str, str]:
    """Return n, mean, standard deviation and interval for readers, with dashes for missing values."""
    deviation, interval = summary.standard_deviation, summary.interval
    return {
        "n": str(summary.n),
        "mean": f"{summary.mean:.4g}",
        "standard deviation": "-" if deviation is None else f"{deviation:.2g}",
        "95 % interval": NO_INTERVAL[summary.n == 1] if interval is None else f"{interval[0]:.4g} to {interval[1]:.4g}",
    }


def show_leaderboard(board: Leaderboard) -> None:
    """Print the first rows of a leaderboard, how many more there are, and what the best is worth on the test part."""
    if board.rows:
        rows = [[cell.replace(", ", ",") for cell in cells] for cells in _table(board, SHOWN, SHOWN_ROWS)]
        show_line(f"{board.metric} ({board.direction}), mean over n seeds and its 95 % interval")
        show_table(("", *short_names(board.keys).values(), *SHOWN), rows)
    for line in _remarks(board):
        show_line(line)


def _shown_interval(score: Summary) -> str:
    """Return how far the interval reaches to both sides; its ends where one side is cut off."""
    if score.interval is None:
        return "" if score.n == 1 else "seeds agree"
    low, high = score.interval
    is_even = math.isclose(score.mean - low, high - score.mean, rel_tol=1e-6)
    return f"± {high - score.mean:.2g}" if is_even else f"{low:.2g} to {high:.2g}"


def _remarks(board: Leaderboard) -> list[str]:
    """Return what is said below the first rows."""
    n_rows, n_first = len(board.rows), sum(row.score.mean == board.rows[0].score.mean for row in board.rows)
    n_pruned = sum(row.verdict == PRUNED for row in board.rows)
    n_tied = sum(row.verdict in {TIED, UNTESTED} for row in board.rows)
    of_test = ", ".join(f"{name} {summary.mean:.4g}" for name, summary in board.test.items())
    order = f"the lower {LOG_LOSS} ranks first, then the smaller network"
    remarks = [
        (n_rows > SHOWN_ROWS, f"and {n_rows - SHOWN_ROWS} more rows in leaderboard.csv"),
        (n_first > 1, f"{n_first} rows share the best mean; {order}"),
        (n_pruned, f"{n_pruned} of {n_rows} rows were pruned before the end"),
        (n_tied, f"{n_tied} of {n_rows} rows are statistically tied with the best"),
        (board.test, f"the best on the test part: {of_test}"),
        (board.failures, f"{len(board.failures)} points failed, listed in leaderboard.md"),
        (board.rows and board.baseline is not None, SAME_ANSWER),
    ]
    return [line for applies, line in remarks if applies]


def share_charts(parent: TrackedRun, board: Leaderboard) -> str:
    """Keep a view of a sweep's points in MLflow and return its address there; empty if that is not possible."""
    if parent.run_id is None or not board.keys:
        return ""
    return parent.store.share_view(f"sweep-{parent.run_id}", view_of(board, parent.run_id))


def view_of(board: Leaderboard, run_id: str) -> dict[str, Any]:
    """Return what MLflow's page of runs shall show: a sweep's points, best first, each swept key against the metric."""
    metric = {"key": board.metric, "type": "METRIC"}
    charts = [
        {**CHART, "uuid": f"swept-{key}", "xaxis": {"key": key, "type": "PARAM"}, "yaxis": metric} for key in board.keys
    ]
    return {
        "searchFilter": f"tags.`{PARENT_TAG}` = '{run_id}'",
        "orderByKey": f"metrics.`{board.metric}`",
        "orderByAsc": not is_higher_better(board.metric),
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # else this section would not be the first
        "compareRunCharts": charts,
        "compareRunSections": [{**SECTION, "name": f"{board.metric} against what was swept"}],
    }
