"""A finished sweep that is started again: its reports come from the archive and from its run, which stays as it is."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from plainmlp.config.places import kept_checkout
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.leaderboard import Leaderboard, build_leaderboard
from plainmlp.sweeps.ranking.results import archived_run, judge_all, with_baseline
from plainmlp.sweeps.reports import RUN_FILES, write_leaderboard
from plainmlp.sweeps.running.archive import Archive
from plainmlp.tracking.addresses import tracking_address
from plainmlp.tracking.children import model_address, read_finished
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.store import sweep_record_id
from plainmlp.tracking.stored_runs import page_of
from plainmlp.tracking.terminal import show_line

BOARD = "leaderboard.json"  # among the artifacts of a sweep's run


def repeat_at_once(
    points: Sequence[Point], marks: Mapping[str, str], archive: Archive, checkout: Path, folder: Path
) -> tuple[Leaderboard, dict[str, str]] | None:
    """Write the reports of a finished sweep without MLflow; return its leaderboard, and where its model and its page are.

    None if that takes MLflow: for another store than a database file, or where anything is missing.
    """
    tracking, kept, record_id = points[0].config.tracking, kept_checkout(checkout), sweep_record_id(marks)
    address = tracking_address(tracking, kept)
    if tracking.sign is not None or any(point.config.training.loss_every is not None for point in points):
        return None
    found = None if Outbox(kept).holds(record_id) else read_finished(address, tracking.experiment, record_id)
    if found is None or not found.runs.keys() >= {point.point_id for point in points}:
        return None
    board = repeat(points, found.runs, found.files, archive, folder)
    if board is None or board.best_run not in found.with_model:
        return None
    return board, {
        "model": model_address(board.best_run),
        "mlflow": page_of(address, found.experiment_id, found.run_id),
    }


def repeat(
    points: Sequence[Point], run_ids: Mapping[str, str], recorded: Path, archive: Archive, folder: Path
) -> Leaderboard | None:
    """Write the reports of a sweep again, and return its leaderboard; None if there is more to do.

    `run_ids` are those of its points, by their ids; `recorded` is the folder with the files of its run.
    """
    kept = {point.point_id: found for point in points if (found := archive.find(point.point_id)) is not None}
    if len(kept) < len(points):
        return None
    ordered = sorted(points, key=lambda point: point.point_id)
    children = [archived_run(each, kept[each.point_id], run_ids[each.point_id]) for each in ordered]
    metric = points[0].config.sweep.metric
    results = judge_all(children, lambda child: kept[child.point_id].history, metric)
    board = build_leaderboard(with_baseline(results, archive, points))
    write_leaderboard(folder, board)
    before = recorded / BOARD
    # a process was killed before it had ranked the points, or another metric ranks them
    if not before.is_file() or before.read_bytes() != (folder / BOARD).read_bytes():
        return None
    shutil.copytree(recorded / "figures", folder / "figures", dirs_exist_ok=True)
    for name in RUN_FILES:
        if (recorded / name).is_file():
            shutil.copyfile(recorded / name, folder / name)
    show_line(f"all {len(points)} points were there; nothing was trained, and the sweep's run stays as it was")
    return board
