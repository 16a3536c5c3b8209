"""Runs whose server stops, dies and comes back: published later, they equal runs that were never interrupted."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from configurations import refusal
from plainmlp.proof.alterations import find_uncovered, find_unlisted
from plainmlp.tracking import connection
from plainmlp.tracking.models import MODEL_FILE
from plainmlp.tracking.outbox import Outbox, RunHeader
from plainmlp.tracking.publication import publish
from plainmlp.tracking.recording.manifest import MANIFEST
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import ChildRun, Store
from plainmlp.tracking.stored_runs import read_run
from plainmlp.tracking.tags import MANIFEST_TAG, PARENT_TAG, POINT_TAG, PROCESS_TAG, RECORD_TAG
from plainmlp.training.model import Model
from pointed import files_below, point, trained_alone
from servers import Server
from waiting import wait_until

pytestmark = pytest.mark.slow
POINT = "ab" * 32
WAIT = 0.4
OWN = {PROCESS_TAG, RECORD_TAG, MANIFEST_TAG, "mlflow.runName", "mlflow.log-model.history"}


def opened(server: Server, folder: Path, wait_seconds: float = WAIT) -> Store:
    """Open the store as another process would."""
    connection.connect.cache_clear()
    return Store(server.address, "runs", Outbox(folder), wait_seconds)


@cache
def trained() -> Model:
    return trained_alone(point().config).model


STEPS = ("start", "epochs", "results", "file", "text", "model", "end")


def record(store: Store, server: Server, folder: Path, stopped_at: str = "") -> TrackedRun:
    """Record a run whose server stops before a step, for the rest of it."""

    def step(name: str) -> None:
        if name == stopped_at:
            server.stop()

    step("start")
    run = store.start(POINT, "points", {"seed": "0", "model.l2": "0.5"}, {"git_commit": "c0ffee"}, DATA)
    with run.closing():
        step("epochs")
        for epoch in range(5):
            run.log_epoch(epoch, {"train_loss": 1 / (epoch + 1), "none": float("nan"), "up": float("inf")})
        step("results")
        points = run.log_results({"test_accuracy": 0.1 + 0.2}, {"weights_digest": "d1"})
        step("file")
        run.log_file(folder / "history.csv", "tables")
        step("text")
        run.log_text("seed: 0\n", "config.yaml")
        step("model")
        trained().save(folder / "model.safetensors")
        run.log_model(folder / "model.safetensors", points)
        step("end")
    return run


DATA = [{"name": "points", "digest": "d" * 36, "profile": {"n_train": 3}}]


def content(server: Server, run_id: str, folder: Path) -> dict[str, object]:
    """Return all that a run is, without its times and ids, once its manifest is known to list all of it."""
    client = MlflowClient(server.address)
    run = client.get_run(run_id)
    curves = {
        name: sorted((point.step, repr(point.value)) for point in client.get_metric_history(run_id, name))
        for name in run.data.metrics
        if name != "training_seconds"
    }
    (used,) = run.inputs.dataset_inputs
    folder.mkdir()
    client.download_artifacts(run_id, "", str(folder))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    stored = read_run(Store(server.address, "runs"), run_id)
    assert list(find_unlisted(stored, folder, folder, None)) == []
    assert find_uncovered(stored, folder) == {}
    (listed,) = json.loads(run.data.tags["mlflow.log-model.history"])
    assert listed["run_id"] == run_id
    assert f"run_id: {run_id}" in files["model/MLmodel"].read_text()
    (model,) = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'")
    assert (model.status, [output.model_id for output in run.outputs.model_outputs]) == ("READY", [model.model_id])
    assert [(metric.key, metric.value) for metric in model.metrics] == [("test_accuracy", 0.1 + 0.2)]
    listed = files_below(Path(download_artifacts(model.artifact_location, tracking_uri=server.address)))
    listed[MODEL_FILE] = listed[MODEL_FILE].replace(model.model_id.encode(), b"null")
    assert listed == {
        name.removeprefix("model/"): path.read_bytes() for name, path in files.items() if name.startswith("model/")
    }
    return {
        "status": run.info.status,
        "name": run.info.run_name,
        "parameters": run.data.params,
        "tags": {key: value for key, value in run.data.tags.items() if key not in OWN},
        "curves": curves,
        "n_times": len(client.get_metric_history(run_id, "training_seconds")),
        "data": (used.dataset.name, used.dataset.digest, used.dataset.profile),
        "files": {name: path.read_bytes() for name, path in files.items() if name not in {"model/MLmodel", MANIFEST}},
    }


def runs_of(server: Server, condition: str = "") -> list:
    client = MlflowClient(server.address)
    found = client.get_experiment_by_name("runs")
    return [] if found is None else list(client.search_runs([found.experiment_id], condition))


def synced(server: Server, folder: Path) -> list:
    connection.connect.cache_clear()
    return list(publish(Outbox(folder), server.address, 30.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "history.csv").write_text("epoch\n0\n")
    return tmp_path


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """Return the content of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "history.csv").write_text("epoch\n0\n")
    run = record(opened(server, folder, 30.0), server, folder)
    assert not Outbox(folder).headers()
    return content(server, run.run_id or "", folder / "read")


@pytest.mark.long
@pytest.mark.parametrize("stopped_at", STEPS)
def test_run_whose_server_stops_is_whole_after_sync(server, whole, folder, stopped_at):
    store = opened(server, folder)
    before = {run.info.run_id for run in runs_of(server)}
    try:
        run = record(store, server, folder, stopped_at)
    finally:
        server.go_on()
    (published,) = synced(server, folder)
    assert (published.run_id, published.refusal) == (run.run_id or published.run_id, "")
    assert content(server, published.run_id, folder / "read") == whole
    assert synced(server, folder) == []
    assert {run.info.run_id for run in runs_of(server)} - before == {published.run_id}
    assert not [path for path in (folder / ".plainmlp" / "outbox").iterdir() if path.is_dir()]


def sync_and_die(address: str, folder: Path, started) -> None:
    connection.connect.cache_clear()
    started.set()
    list(publish(Outbox(folder), address, 30.0))
    os._exit(0)


@pytest.mark.long
def test_sync_that_is_killed_at_random_moments_publishes_once(server, whole, folder):
    server.stop()
    store = opened(server, folder)
    for _ in range(2):
        record(store, server, folder)
    server.go_on()
    before = {run.info.run_id for run in runs_of(server)}
    context, generator = get_context("fork"), random.Random(0)
    codes = []
    while not codes or codes[-1] == -signal.SIGKILL:
        started = context.Event()
        process = context.Process(target=sync_and_die, args=(server.address, folder, started))
        process.start()
        started.wait(30)
        process.join(generator.uniform(0.05, 0.3 * (1 + len(codes))))  # a loaded machine gets to the end too
        process.kill()
        process.join()
        codes.append(process.exitcode)
    assert len(codes) > 2
    new = [run.info.run_id for run in runs_of(server) if run.info.run_id not in before]
    assert len(new) == 2
    for number, run_id in enumerate(new):
        assert content(server, run_id, folder / f"read{number}") == whole


def test_what_a_killed_sync_left_of_a_rewritten_file_is_not_published(server, whole, folder):
    server.stop()
    record(opened(server, folder), server, folder)
    server.go_on()
    (packed,) = folder.glob(".plainmlp/outbox/*/files/model")
    (packed / ".MLmodel.0123456789abcdef0123456789abcdef").write_text("half a rec")
    before = {run.info.run_id for run in runs_of(server)}
    synced(server, folder)
    (run_id,) = {run.info.run_id for run in runs_of(server)} - before
    assert content(server, run_id, folder / "read") == whole


@pytest.mark.long
def test_server_that_is_killed_during_runs_and_during_sync(server, whole, folder):
    """Real deaths, at random moments of real operations; the server starts again on the same port."""
    generator = random.Random(1)
    before = {run.info.run_id for run in runs_of(server)}
    context = get_context("fork")
    killer = context.Process(target=_kill_later, args=(server, generator.uniform(0.2, 1.0)))
    killer.start()
    for _ in range(3):
        record(opened(server, folder), server, folder)
    killer.join()
    assert killer.exitcode == 0
    server.kill()
    connection.connect.cache_clear()
    n_kept = len(Outbox(folder).headers())
    assert n_kept
    assert "MLflow cannot record there" in refusal(_sync_against, server, folder)
    assert len(Outbox(folder).headers()) == n_kept
    server.start()
    synced(server, folder)
    new = [run.info.run_id for run in runs_of(server) if run.info.run_id not in before]
    assert len(new) == 3
    for number, run_id in enumerate(new):
        assert content(server, run_id, folder / f"read{number}") == whole


def _kill_later(server: Server, seconds: float) -> None:
    time.sleep(seconds)
    server.signal(signal.SIGKILL)
    os._exit(0)


def _sync_against(server: Server, folder: Path) -> None:
    connection.connect.cache_clear()
    list(publish(Outbox(folder), server.address, 1.0))


def test_processes_that_start_at_once_make_one_experiment(server):
    addresses = [connection.Connection(server.address, 30.0, is_limited=False) for _ in range(6)]
    with ThreadPoolExecutor(len(addresses)) as pool:
        stores = list(pool.map(lambda _: Store(server.address, "new to all"), addresses))
    (experiment_id,) = {store.experiment_id for store in stores}
    assert MlflowClient(server.address).get_experiment_by_name("new to all").experiment_id == experiment_id


def test_record_that_mlflow_refuses_stays_and_the_others_go(server, folder):
    outbox = Outbox(folder)
    place = {"address": server.address, "experiment": "refused", "started": 1}
    outbox.add(RunHeader("record-a", name="a", tags={}, **place), {"parameters": {"a[b]": "1"}}, {})
    outbox.add(RunHeader("record-b", name="b", tags={PARENT_TAG: "record-gone", POINT_TAG: "p"}, **place), {}, {})
    outbox.add(RunHeader("record-c", name="c", tags={}, run_id="0" * 32, **place), {"tags": {"a": "b"}}, {})
    outbox.add(RunHeader("record-d", name="d", tags={}, **place), {"tags": {"a": "b"}}, {})
    refusals = {published.header.name: published.refusal for published in synced(server, folder)}
    assert "a[b]" in refusals["a"]
    assert refusals["b"] == "its parent run is missing"
    assert refusals["c"] == f"its run {'0' * 32} was deleted"
    assert refusals["d"] == ""
    assert {header.name for header in outbox.headers()} == {"a", "b", "c"}


def test_run_without_an_end_is_closed(server, folder):
    """The process was killed while MLflow was away."""
    tags = {PROCESS_TAG: f"{os.uname().nodename} {2**22 + 1} 1.00"}
    Outbox(folder).add(RunHeader("record-killed", server.address, "killed", "a", tags, 1), {"tags": {"a": "b"}}, {})
    (published,) = synced(server, folder)
    assert MlflowClient(server.address).get_run(published.run_id).info.status == "KILLED"


def test_run_that_goes_on_is_left_to_its_process_until_it_ends(server, folder):
    store = opened(server, folder)
    server.stop()
    run = store.start(POINT, "points", {"seed": "0"}, {}, DATA)
    server.go_on()
    run.log_results({"before": 1.0}, {})
    assert synced(server, folder) == []
    run.log_results({"after": 2.0}, {})
    run.end("FINISHED")
    (published,) = synced(server, folder)
    found = MlflowClient(server.address).get_run(published.run_id or "")
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"before": 1.0, "after": 2.0})


def test_points_wait_for_their_sweep_while_that_goes_on(server, folder):
    store = opened(server, folder)
    server.stop()
    parent = store.start_parent("a sweep", {}, {"sweep_id": folder.name})
    server.go_on()
    times = {"started": 1.0, "ended": 2.0}
    values = {"parameters": {}, "tags": {}, "metrics": {}, "curves": {}, "artifacts": None, "status": "FINISHED"}
    store.add_children([ChildRun(parent.reference, POINT, "a point", **values, **times)])
    assert synced(server, folder) == []
    parent.end("FINISHED")
    assert [entry.refusal for entry in synced(server, folder)] == ["", ""]


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2, 0.5, 1.0, 2.0])
def test_run_that_is_killed_at_any_moment_is_whole_or_killed_and_there_once(server, folder, seconds):
    """Whatever the run has done is in MLflow after a sync, also what its process could not send any more."""
    before = {run.info.run_id for run in runs_of(server)}
    context = get_context("fork")
    process = context.Process(target=_record_alone, args=(server, folder))
    process.start()
    wait_until(lambda: bool(Outbox(folder).headers()), "the start of the run")
    process.join(seconds)
    process.kill()
    process.join()
    headers = Outbox(folder).headers()
    written = [entry for header in headers for entry in Outbox(folder).entries(header.record_id)]
    synced(server, folder)
    (new,) = [run for run in runs_of(server) if run.info.run_id not in before]
    is_over = not headers or any("status" in entry for entry in written)
    assert new.info.status == ("FINISHED" if is_over else "KILLED")
    for entry in written:
        assert new.data.params.items() >= entry.get("parameters", {}).items()
        assert new.data.metrics.keys() >= {point[0] for point in entry.get("metrics", ())}
    assert Outbox(folder).headers() == []


def _record_alone(server: Server, folder: Path) -> None:
    record(opened(server, folder, 30.0), server, folder)
    os._exit(0)
