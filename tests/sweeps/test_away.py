"""Sweeps whose MLflow server is away: trained, ranked and recorded all the same."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.proof.alterations import find_uncovered, find_unlisted
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
from plainmlp.sweeps.ranking.results import read_sweep
from plainmlp.sweeps.reports import RUN_FILES, write_reports
from plainmlp.sweeps.running import job as module
from plainmlp.sweeps.running.job import run_point
from plainmlp.sweeps.session import Listed, run_sweep
from plainmlp.system.errors import TrainingError
from plainmlp.tracking import connection
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.publication import publish
from plainmlp.tracking.recording.training import point_of
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import download_files, read_run
from pointed import SMALL, files_below, splits_of
from servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.long]
N_POINTS = 4
PATIENT = 100.0
TOO_FAST = {"optimizer__learning_rate": 1e300}


def points_of(server: Server, experiment: str, wait_seconds: float = 2.0, **values: object) -> list[Point]:
    """Return points of two settings and two seeds; a server that is there may take `PATIENT` seconds to answer."""
    tracking = {"uri": server.address, "experiment": experiment, "wait_seconds": wait_seconds}
    settings = [{"model__activation": name, "seed": seed} for name in ("relu", "tanh") for seed in (0, 1)]
    configs = [parse(changed(**{**SMALL, **chosen, **values}, tracking=tracking)) for chosen in settings]
    return [Point((str(number),), config, point_of(config, splits_of(config))) for number, config in enumerate(configs)]


def with_a_bad_one(server: Server, experiment: str, wait_seconds: float) -> list[Point]:
    """Return such points, the first of which fails."""
    bad = points_of(server, experiment, wait_seconds, **TOO_FAST)[0]
    return [Point(("bad",), bad.config, bad.point_id), *points_of(server, experiment, wait_seconds)[1:]]


def forget() -> None:
    """Be another process, which has waited for nothing yet."""
    connection.connect.cache_clear()
    module._store.cache_clear()


class Launcher:
    """Runs the jobs one after the other; the server stops before one of them."""

    def __init__(self, checkout, server, stops_at=-1):
        self.checkout, self.server, self.stops_at, self.ran = checkout, server, stops_at, []

    def __call__(self, jobs):
        for job in jobs:
            if len(self.ran) == self.stops_at:
                self.server.stop()
            self.ran.append(job.point.point_id)
            try:
                run_point(job.point.config, job.parent, self.checkout)
            except TrainingError:  # it is recorded, and the others go on
                continue


def sweep(points, launcher, checkout) -> dict[str, bytes]:
    """Run a sweep as a process of its own would; return its leaderboard and figures, which equal results make again."""
    forget()
    run_sweep(Listed(points), launcher, checkout, checkout / "out")
    files = files_below(checkout / "out")
    return {name: content for name, content in files.items() if name not in RUN_FILES}


def synced(server: Server, checkout: Path) -> list:
    forget()
    return list(publish(Outbox(checkout), server.address, 30.0))


def runs_of(server: Server, experiment: str) -> tuple:
    """Return the run of the only sweep of an experiment, and those below it."""
    client = MlflowClient(server.address)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    (parent,) = [run for run in runs if "sweep_id" in run.data.tags]
    return parent, [run for run in runs if run is not parent]


def check_whole(server: Server, experiment: str, checkout: Path, board: dict[str, bytes]) -> None:
    """Check that MLflow holds a whole sweep, each point once, from which the same leaderboard follows."""
    parent, children = runs_of(server, experiment)
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.status for run in (parent, *children)) == ["FINISHED"] * (N_POINTS + 1)
    assert len({run.data.tags["point_id"] for run in children}) == N_POINTS
    assert parent.data.metrics["system/points_done"] == N_POINTS
    client = MlflowClient(server.address)
    kept = Path(client.download_artifacts(parent.info.run_id, "leaderboard.csv")).read_bytes()
    assert kept == board["leaderboard.csv"]
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} >= {"figures", "runs.csv"}
    forget()
    again = build_leaderboard(read_sweep(Store(server.address, experiment), parent.info.run_id))
    write_reports(checkout / "again", again)
    assert files_below(checkout / "again") == board
    for run in [parent, *children]:  # wherever they waited
        recorded, folder = read_run(Store(server.address, experiment), run.info.run_id), checkout / run.info.run_id
        download_files(Store(server.address, experiment), recorded, folder)
        assert list(find_unlisted(recorded, folder, checkout, None)) == []
        assert find_uncovered(recorded, folder) == {}
    for run in children:
        best = {"model"} if run.info.run_id == again.best_run else set()
        assert {file.path for file in client.list_artifacts(run.info.run_id)} - best == {
            "config.yaml",
            "history.csv",
            "manifest.json",
            "model.safetensors",
            "provenance",
        }
        assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 3


@pytest.mark.parametrize("stops_at", [0, 2, None], ids=["before the sweep", "in the middle", "before the end"])
def test_sweep_without_its_server(server, checkout, request, stops_at):
    experiment = request.node.name
    points = points_of(server, experiment)
    launcher = Launcher(checkout, server, N_POINTS if stops_at is None else stops_at)
    if stops_at == 0:
        server.stop()
    try:
        board = sweep(points, launcher if stops_at is not None else _then_stop(launcher), checkout)
    finally:
        server.go_on()
    assert set(board) >= {"leaderboard.csv", "leaderboard.json", "leaderboard.md", "figures/learning_curves.png"}
    published = synced(server, checkout)
    # at least what was not sent before the server stopped; a slow server counts as away too
    assert {0: N_POINTS + 1, 2: N_POINTS - 2 + 1, None: 1}[stops_at] <= len(published) <= N_POINTS + 1
    assert [entry.refusal for entry in published] == [""] * len(published)
    assert synced(server, checkout) == []
    check_whole(server, experiment, checkout, board)
    again = Launcher(checkout, server)
    assert sweep(points_of(server, experiment, PATIENT), again, checkout) == board
    assert again.ran == []
    assert synced(server, checkout) == []
    check_whole(server, experiment, checkout, board)


def _then_stop(launcher):
    def launch(jobs):
        launcher(jobs)
        launcher.server.stop()

    return launch


def test_sweep_goes_on_in_the_outbox_until_it_is_published(server, checkout, request, monkeypatch):
    experiment = request.node.name
    points = points_of(server, experiment)
    server.stop()
    try:
        board = sweep(points, Launcher(checkout, server), checkout)
    finally:
        server.go_on()
    again = Launcher(checkout, server)
    assert sweep(points_of(server, experiment, PATIENT), again, checkout) == board
    assert again.ran == []
    assert len(synced(server, checkout)) == N_POINTS + 1
    check_whole(server, experiment, checkout, board)


def test_points_that_mlflow_holds_already_are_not_published_twice(server, checkout, request):
    """A sweep that was recorded, then begun again while the server is away, which cannot be asked what it holds."""
    experiment = request.node.name
    points = points_of(server, experiment)
    board = sweep(points_of(server, experiment, PATIENT), Launcher(checkout, server), checkout)
    server.stop()
    try:
        assert sweep(points, Launcher(checkout, server), checkout) == board
    finally:
        server.go_on()
    published = synced(server, checkout)
    assert [entry.run_id is None for entry in published] == [False] + [True] * N_POINTS
    check_whole(server, experiment, checkout, board)


def test_failed_point_is_kept_with_its_reason_and_its_success_takes_its_place(server, checkout, request):
    experiment = request.node.name
    points, patient = (with_a_bad_one(server, experiment, seconds) for seconds in (2.0, PATIENT))
    launcher = Launcher(checkout, server)
    server.stop()
    try:
        with pytest.raises(TrainingError, match="1 of 4 points failed") as caught:
            sweep(points, launcher, checkout)
    finally:
        server.go_on()
    assert "the loss is not finite" in str(caught.value)
    assert b"the loss is not finite" in files_below(checkout / "out")["leaderboard.md"]
    synced(server, checkout)
    parent, children = runs_of(server, experiment)
    (failed,) = [run for run in children if run.info.status == "FAILED"]
    assert "the loss is not finite" in failed.data.tags["failure"]
    assert parent.data.metrics["system/points_failed"] == 1
    forget()
    with pytest.raises(TrainingError):
        run_sweep(Listed(patient), launcher, checkout, checkout / "out")
    assert launcher.ran.count(points[0].point_id) == 2
    assert len(runs_of(server, experiment)[1]) == N_POINTS
