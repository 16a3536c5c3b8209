"""The verification of a sweep: all its points exist, they give its leaderboard, and a search would ask for them again.

A sample of them is executed again by `plainmlp.proof.verification`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from plainmlp.proof.alterations import find_alterations, find_uncovered, find_unlisted
from plainmlp.proof.rebuilding import commit_of, git
from plainmlp.proof.recorded import DAMAGES, read_recorded
from plainmlp.proof.verdict import Agreement, Aspect, Judgement
from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
from plainmlp.sweeps.ranking.results import FINISHED, UNRECORDED, SweepResults, read_sweep
from plainmlp.sweeps.reports import write_leaderboard
from plainmlp.sweeps.search.methods import library_of
from plainmlp.sweeps.search.search import RECORD as SEARCH
from plainmlp.sweeps.search.search import replay, search_id
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import StoredRun, download_files, read_run
from plainmlp.tracking.tags import SWEEP_TAG

LEADERBOARD = ("leaderboard.csv", "leaderboard.json", "leaderboard.md")
RANKING = "src/plainmlp/sweeps"
SHOWN_POINTS = 3


def draw_points(store: Store, parent_run_id: str, size: int, seed: int) -> list[str]:
    """Return the ids of finished runs below a sweep's, at most `size`, drawn without replacement by a seed."""
    children = store.children(parent_run_id)
    finished = sorted((child.point_id, child.run_id) for child in children if child.status == FINISHED)
    if not finished:
        message = f"{parent_run_id} has no finished runs below it; --sweep takes the run of a sweep"
        raise InputError(message)
    drawn = np.random.default_rng(seed).permutation(len(finished))[:size]
    return [finished[position][1] for position in drawn]


def judge_sweep(store: Store, run_id: str, checkout: Path, allowed_signers: Path | None = None) -> Judgement:
    """Compare a sweep's own run with its points: none may be missing or altered, and they must give its leaderboard."""
    run, children = read_run(store, run_id), store.children(run_id)
    with TemporaryDirectory(prefix="plainmlp-") as folder:
        root = Path(folder) / "recorded"
        problems = download_files(store, run, root)
        altered = [*(f"{name} {reason}" for name, reason in problems.items())]
        altered += find_unlisted(run, root, checkout, allowed_signers)
        altered += _altered_points(store, children, checkout, allowed_signers)
        aspects = [
            _compare_points(run, root, children),
            *_compare_results(store, run, root, Path(folder) / "again", checkout),
            *(Aspect(name, Agreement.UNKNOWN, detail) for name, detail in find_uncovered(run, root).items()),
        ]
    return Judgement(tuple(aspects), tuple(altered))


def _altered_points(
    store: Store, children: Iterable[StoredRun], checkout: Path, allowed_signers: Path | None
) -> Iterator[str]:
    """Compare the record of each finished point with its manifest and with itself."""
    for child in children:
        if child.status == FINISHED:
            with TemporaryDirectory(prefix="plainmlp-") as folder:
                recorded = read_recorded(store, child.run_id, Path(folder))
                lines = find_alterations(recorded, checkout, allowed_signers)
            yield from (f"point {child.point_id[:12]}: {line}" for line in lines)


def _compare_points(run: StoredRun, root: Path, children: list[StoredRun]) -> Aspect:
    """Compare the runs below a sweep's run with the sweep's id and its leaderboard."""
    found = {child.point_id for child in children}
    try:
        listed = _listed_points(root)
    except DAMAGES:
        listed = {}
    missing = sorted(point for point, is_recorded in listed.items() if is_recorded and point not in found)
    added = sorted(found - listed.keys()) if listed else []
    for problem, points in (("missing", missing), ("not of this sweep", added)):
        if points:
            shown = ", ".join(point[:12] for point in points[:SHOWN_POINTS])
            return Aspect(
                "points", Agreement.DIFFERENT, f"{len(points)} of {len(listed)} are {problem}, such as {shown}"
            )
    if _sweep_id(found | listed.keys(), root) != run.tags.get(SWEEP_TAG):
        return Aspect(
            "points", Agreement.DIFFERENT, f"the {len(found)} points do not give the {SWEEP_TAG} of the sweep"
        )
    return Aspect("points", Agreement.EQUAL, f"{len(found)} points, {SWEEP_TAG} {run.tags[SWEEP_TAG][:12]}")


def _listed_points(root: Path) -> dict[str, bool]:
    """Return the ids of the points in a leaderboard and a search, and whether each left a record."""
    board = read_json(root / "leaderboard.json")
    trials = read_json(root / SEARCH)["trials"] if (root / SEARCH).is_file() else []
    finished = {point: True for trial in trials for point in trial["points"]}
    finished |= {point["point_id"]: True for row in board["rows"] for point in row["points"]}
    return finished | {str(f["point_id"]): str(f["reason"]) != UNRECORDED for f in board["failures"]}


def _sweep_id(points: set[str], root: Path) -> str:
    """Return the id of a sweep, from the record of a search or else from the set of its points; none if that is damaged."""
    if not (root / SEARCH).is_file():
        return digest_json(sorted(points))
    try:
        record = read_json(root / SEARCH)
        asked = {point for trial in record["trials"] for point in trial["points"]}
        return search_id(record) if asked == points and set(record["first"]) <= asked else ""
    except DAMAGES:
        return ""


def _compare_results(store: Store, run: StoredRun, root: Path, again: Path, checkout: Path) -> list[Aspect]:
    """Repeat what follows from the results of the points: the choices of a search, and the leaderboard."""
    try:
        results = read_sweep(store, run.run_id)
    except InputError as error:  # a file of a point is missing or damaged
        return [Aspect("leaderboard", Agreement.UNKNOWN, f"the points cannot be ranked again: {error}")]
    return [*_compare_search(results, root), _compare_leaderboard(results, run, root, again, checkout)]


def _compare_search(results: SweepResults, root: Path) -> list[Aspect]:
    """Repeat a search's choices, given the results of its points, if the sweep is a search."""
    if not (root / SEARCH).is_file():
        return []
    try:
        record = read_json(root / SEARCH)
        here, there = library_of(record["settings"]["method"]), record["libraries"]
        if here != there:
            return [Aspect("search", Agreement.UNKNOWN, f"drawn with {there}; installed here: {here}")]
        trials, differing = record["trials"], replay(record, results)
    except DAMAGES as error:
        return [Aspect("search", Agreement.UNKNOWN, f"cannot be repeated: {error}")]
    if differing is None:
        return [Aspect("search", Agreement.EQUAL, f"{len(trials)} trials, chosen again")]
    detail = f"trial {differing} of {len(trials)} is not the one that the results before it lead to"
    return [Aspect("search", Agreement.DIFFERENT, detail)]


def _compare_leaderboard(results: SweepResults, run: StoredRun, root: Path, again: Path, checkout: Path) -> Aspect:
    """Rank the points again and compare the files of the leaderboard, byte for byte."""
    name = "leaderboard"
    board = build_leaderboard(results)
    write_leaderboard(again, board)
    changed = [file for file in LEADERBOARD if not _is_same(root / file, again / file)]
    if not changed:
        return Aspect(name, Agreement.EQUAL, f"{len(board.rows)} rows, every byte")
    commit = commit_of(run.tags)
    if commit is None or git(checkout, "diff", "--quiet", commit, "--", RANKING).returncode:
        return Aspect(name, Agreement.UNKNOWN, "it was ranked by other code of sweeps than this checkout's")
    return Aspect(name, Agreement.DIFFERENT, f"{changed[0]} is not what the points give")


def _is_same(first: Path, second: Path) -> bool:
    return first.is_file() and first.read_bytes() == second.read_bytes()
