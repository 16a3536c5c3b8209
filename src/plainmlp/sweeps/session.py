"""A sweep as a whole: its run, the points that are missing, under whichever launcher, and its leaderboard."""

import json
import os
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.leaderboard import PRUNED, Leaderboard, build_leaderboard
from plainmlp.sweeps.ranking.results import FINISHED, Outcomes, SweepResults, baseline_name, with_baseline
from plainmlp.sweeps.ranking.swept import short_names
from plainmlp.sweeps.repetition import repeat, repeat_at_once
from plainmlp.sweeps.reports import describe_sweep, share_charts, show_leaderboard, write_reports, write_runs
from plainmlp.sweeps.running.archive import ARCHIVE, Archive, ArchivedPoint
from plainmlp.sweeps.running.job import Job
from plainmlp.sweeps.running.progress import SweepProgress
from plainmlp.sweeps.running.units import PointError, as_point_error
from plainmlp.sweeps.search.search import RECORD, Search
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.system.process import held
from plainmlp.tracking.children import add_model, finished_children
from plainmlp.tracking.datasets import data_inputs
from plainmlp.tracking.outbox import PREFIX
from plainmlp.tracking.provenance.environment import process_usage
from plainmlp.tracking.provenance.identity import checkout_id
from plainmlp.tracking.recording.page import data_name, run_name, value_name
from plainmlp.tracking.recording.provenance import common_numerics, read_code, shown_tags
from plainmlp.tracking.recording.training import open_store, publish_provenance
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import download_files, read_run
from plainmlp.tracking.tags import CHECKOUT_TAG, NOTE_TAG, PRUNED_TAG, SWEEP_TAG
from plainmlp.tracking.terminal import show_line, show_places, watch

# returns when all have ended, with what this process has read of them, if it has; a job records its own result or failure
Read = Mapping[str, ArchivedPoint] | None
Launch = Callable[[Sequence[Job]], Read]
LOCKS = Path(".plainmlp") / "sweeps"  # below a checkout
IS_RUNNING = "another process runs this sweep already; wait for it, or end it and run the same command again"
SCRIPT = Path("pipelines") / "run.py"
SHOWN_FAILURES = 5
LOSS_EVERY = "training.loss_every"
LARGE_ARCHIVE = 1_000_000_000  # bytes


class Listed:
    """A sweep whose points are known before it begins, as those of a grid are; no two have one id. Else as `Search`."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.first = points
        self.sweep_id = digest_json(sorted(point.point_id for point in points))
        self.parameters = {"sweep.points": str(len(points))}
        self.common = set.intersection(*(set(point.overrides) for point in points))

    def after(self, results: SweepResults) -> Sequence[Point]:
        """Return no further points."""
        return ()

    def write(self, folder: Path) -> None:
        """Write nothing, since the points say it all."""


Plan = Listed | Search  # what a sweep tries, and what it is known by


def run_sweep(plan: Plan, launch: Launch, checkout: Path, folder: Path) -> None:
    """Run the points of a sweep that have no result yet, and rank all of them.

    The leaderboard goes to the folder; the checkout is the one whose code runs.

    Raises
    ------
    InputError
        Another process runs this sweep.
    TrainingError
        Points failed, and all others have their results; or the launcher failed.
    """
    archive = Archive(checkout / ARCHIVE)
    archive.remove_unused()
    (checkout / LOCKS).mkdir(parents=True, exist_ok=True)
    with held(_lock_of(plan.sweep_id, checkout), 0.0, IS_RUNNING):
        marks = {SWEEP_TAG: plan.sweep_id, CHECKOUT_TAG: checkout_id(checkout)}
        done = repeat_at_once(plan.first, marks, archive, checkout, folder) if isinstance(plan, Listed) else None
        board, places, failures = (*done, "") if done is not None else _record(plan, marks, launch, checkout, folder)
    show_leaderboard(board)
    show_places({"leaderboard": folder, **places, **_large(archive)})
    if failures:
        raise TrainingError(failures)


def _record(
    plan: Plan, marks: Mapping[str, str], launch: Launch, checkout: Path, folder: Path
) -> tuple[Leaderboard, dict[str, str], str]:
    """Run what is missing of a sweep in MLflow; return its leaderboard, its model and its page, and how points failed."""
    settings, archive = plan.first[0].config, Archive(checkout / ARCHIVE)
    store, points, failures = open_store(settings.tracking, checkout), list(plan.first), ""
    parent = store.finished_parent(marks) if isinstance(plan, Listed) else None
    board = None if parent is None else _repeated(store, parent, points, archive, folder)
    if parent is None or board is None:
        parent = _open_parent(store, plan, marks, checkout)
        with parent.closing():
            outcomes = _run_batches(store, parent, plan, launch, checkout)
            points, failed = list(outcomes.points.values()), outcomes.failures
            board = build_leaderboard(with_baseline(outcomes.results(settings.sweep.metric), archive, points))
            _mark_pruned(store, parent, board)
            write_reports(folder, board)
            plan.write(folder)
            _publish(parent, board, folder)
            parent.log_results({**_summary(board, len(points), len(failed)), **process_usage()}, {})
            failures = _failure_message(points, failed, checkout) if failed else ""
    return board, {**_add_model(store, board, points, archive), "mlflow": parent.page()}, failures


def _repeated(
    store: Store, parent: TrackedRun, points: Sequence[Point], archive: Archive, folder: Path
) -> Leaderboard | None:
    """Write the reports of a finished sweep again, from its run, which stays as it is; None if there is more to do."""
    if _missing(store, parent, points):
        return None
    run_ids = {child.point_id: child.run_id for child in finished_children(store, parent)}
    with TemporaryDirectory() as files:
        download_files(store, read_run(store, parent.reference), Path(files))
        return repeat(points, run_ids, Path(files), archive, folder)


def _run_batches(store: Store, parent: TrackedRun, plan: Plan, launch: Launch, checkout: Path) -> Outcomes:
    """Run one batch of points after the other, and return how all of them ended."""
    archive = Archive(checkout / ARCHIVE)
    outcomes, batch = Outcomes(archive, store), plan.first
    while batch:
        new = list({point.point_id: point for point in batch if point.point_id not in outcomes.points}.values())
        read = _launch_all(_missing(store, parent, new), plan.common, launch, parent, checkout)
        outcomes.add(new, parent, read)
        batch = plan.after(outcomes.results(plan.first[0].config.sweep.metric))
    for point in outcomes.points.values():
        if point.training_id != point.point_id:
            archive.checkpoints(point.training_id).clear()  # of which nothing goes on any more
    return outcomes


def _mark_pruned(store: Store, parent: TrackedRun, board: Leaderboard) -> None:
    """Mark the runs of points that a search has pruned."""
    epochs = {r.child.point_id: row.epochs for row in board.rows if row.verdict == PRUNED for r in row.results}
    for child in store.recorded_children(parent) if epochs else ():
        if child.point_id in epochs:
            store.mark(child.run_id, PRUNED_TAG, f"after {epochs[child.point_id]:.0f} epochs")


def _large(archive: Archive) -> dict[str, str]:
    """Return what to say of an archive that takes much of a disk."""
    size = archive.size()
    found = f"{archive.root} holds {size / 1e9:.1f} GB; make clean-archive removes it, and keeps the runs in MLflow"
    return {"archive": found} if size > LARGE_ARCHIVE else {}


def is_new(plan: Plan, checkout: Path) -> bool:
    """Say whether a sweep was never started in this checkout."""
    return not _lock_of(plan.sweep_id, checkout).exists()


def _lock_of(sweep_id: str, checkout: Path) -> Path:
    return checkout / LOCKS / sweep_id[:12]


def _open_parent(store: Store, plan: Plan, marks: Mapping[str, str], checkout: Path) -> TrackedRun:
    """Return the run of the sweep, which goes on where it was started before."""
    points, parent = plan.first, store.resume_parent(marks)
    if parent is not None:
        return parent
    name = points[0].config.sweep.name or f"sweep of {data_name(points[0].config.dataset)}"
    tags = {**read_code(checkout).tags, **common_numerics(point.config.training for point in points)}
    parent = store.start_parent(name, plan.parameters, {**marks, **shown_tags(tags)})
    with parent.closing_on_failure():
        publish_provenance(parent, tags, checkout)
    return parent


def _missing(store: Store, parent: TrackedRun, points: Sequence[Point]) -> list[Point]:
    """Return the points without a result or the losses of steps; the records of earlier attempts are moved away."""
    loss_every = {point.point_id: point.config.training.loss_every for point in points}
    done = set()
    for child in store.recorded_children(parent) if points else ():
        if child.point_id not in loss_every:
            continue
        recorded = json.loads(child.parameters.get(LOSS_EVERY, "null"))
        if child.status == FINISHED and loss_every[child.point_id] in {None, recorded}:
            done.add(child.point_id)
        else:
            store.drop(child.run_id)
    return [point for point in points if point.point_id not in done]


def _launch_all(
    missing: Sequence[Point], common: Collection[str], launch: Launch, parent: TrackedRun, checkout: Path
) -> Read:
    """Run a job for each missing point, if there are any, and show how they come to their end."""
    if not missing:
        return None
    archive, point_ids = Archive(checkout / ARCHIVE), [point.point_id for point in missing]
    archive.forget_failures(point_ids)
    for text in dict.fromkeys(archive.data.columns(each.config.dataset, each.config.split) for each in missing):
        show_line(text)
    try:
        with watch("points", len(missing), SweepProgress(missing, archive).look):
            return launch([Job(point, parent.reference, _name(point, common)) for point in missing])
    except Exception as error:
        if isinstance(error, PointError):
            raise
        # such as joblib's, where a process of its was killed
        message = f"the launcher failed; run the same command again to continue ({as_point_error(error)})"
        raise TrainingError(message) from error


def _name(point: Point, common: Collection[str]) -> str:
    """Return a name that says what sets a point apart: `64-32 s1`."""
    own = [override.lstrip("+") for override in point.overrides if override not in common and "$" not in override]
    values = dict(override.split("=", 1) for override in own if "=" in override)
    names = short_names(list(values))
    return " ".join(value_name(names[key], value) for key, value in values.items()) or run_name(point.config)


def _publish(parent: TrackedRun, board: Leaderboard, folder: Path) -> None:
    """Add the reports in a folder to the sweep's run, and how long its points took."""
    parent.log_results({}, {NOTE_TAG: describe_sweep(board, parent.reference, share_charts(parent, board))})
    for path in (*sorted(folder.glob("leaderboard.*")), *folder.glob(RECORD), *write_runs(folder, board)):
        parent.log_file(path)
    parent.log_file(folder / "figures", "figures")


def _add_model(store: Store, board: Leaderboard, points: Sequence[Point], archive: Archive) -> dict[str, str]:
    """Let the run of the best point carry its model; return what to say of it, which is nothing while MLflow is away."""
    run_id = board.best_run
    if run_id is None or run_id.startswith(PREFIX) or store.connection.is_away:
        return {}
    best = board.best_result(board.rows[0]).child.point_id
    config = next(point.config for point in points if point.point_id == best)
    data = config.dataset, config.split
    try:
        return {"model": add_model(store, run_id, lambda: data_inputs(data[0], archive.data.splits(*data)))}
    except InputError as error:
        return {"model": f"none ({error})"}


def _summary(board: Leaderboard, n_points: int, n_failed: int) -> dict[str, float]:
    """Return what the list of runs shows of a sweep: its best score under the name that it has of its points."""
    best = {board.metric: board.rows[0].score.mean} if board.rows else {}
    baseline = {} if board.baseline is None else {baseline_name(board.metric): board.baseline}
    return {"system/points_done": n_points - n_failed, "system/points_failed": n_failed, **best, **baseline}


def _failure_message(points: Sequence[Point], failures: Mapping[str, str], checkout: Path) -> str:
    """Return which points failed, why, and how to run them again."""
    failed = [point for point in points if point.point_id in failures]
    lines = [
        f"{len(failed)} of {len(points)} points failed; run the same command again to retry them all, or one of these:"
    ]
    for point in failed[:SHOWN_FAILURES]:
        # a sweep's file makes every command a sweep, so the mode is said
        words = ["python", os.path.relpath(checkout / SCRIPT), *point.overrides, "hydra.mode=RUN"]
        lines += [f"  {shlex.join(words)}", f"    {failures[point.point_id]}"]
    if len(failed) > SHOWN_FAILURES:
        lines.append(f"  and {len(failed) - SHOWN_FAILURES} more")
    return "\n".join(lines)
