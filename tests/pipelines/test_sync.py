"""pipelines/sync.py after runs whose server died: real processes, a real server, real deaths."""

import json
import re
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow import MlflowClient

from checkouts import ROOT, clone, last_ids, run, stages_run, succeed
from script import Script
from servers import Server, free_port
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]
TINY = ("split.train=100", "split.validation=40", "split.test=40", "model.hidden_sizes=[6]", "training.epochs=3")
LONG = ("dataset=clusters", "split.validation=0", "model.hidden_sizes=[4]", "training.epochs=1000")
SECONDS = 120
WAIT = "tracking.wait_seconds=2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("clones") / "my clone")


def outbox(folder: Path) -> list[Path]:
    return sorted((folder / ".plainmlp" / "outbox").glob("record-*"))


def test_server_that_is_killed_in_the_middle_of_a_training(folder: Path, server: Server) -> None:
    client = MlflowClient(server.address)
    where = ("tracking.experiment=killed", f"tracking.uri={server.address}")
    words = ("pipelines/run.py", *LONG, "tracking.wait_seconds=5", *where)  # a busy machine's server answers late
    with Script(folder, *words) as process:
        wait_until(lambda: n_epochs(client) > 0 or process.poll() is not None, "an epoch", SECONDS)
        assert process.poll() is None, process.communicate()
        server.kill()
        output, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert re.fullmatch(rf"MLflow cannot be reached at {server.address} \(.*\); .*python pipelines/sync\.py\n", errors)
    away = run(folder, "python", "pipelines/sync.py", WAIT)
    assert (away.returncode, away.stderr.count("\n")) == (2, 1)
    assert f"error: tracking.uri = '{server.address}': MLflow cannot record there" in away.stderr
    assert len(outbox(folder)) == 1
    server.start()
    run_id = last_ids(output)["run_id"]
    name, last = succeed(folder, "python", "pipelines/sync.py").splitlines()
    assert (name.split()[-1], last) == (run_id, "1 published")
    assert succeed(folder, "python", "pipelines/sync.py") == "0 published\n"
    found = client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run_id, "train_loss")] == list(range(1000))
    (summary,) = [path for path in folder.glob("outputs/*/*/run.json") if run_id in path.read_text()]
    metrics = json.loads(summary.read_text())["metrics"]
    final = {name for name in metrics if not name.startswith(("interval/", "baseline_"))}
    assert final <= found.data.metrics.keys()


def n_epochs(client: MlflowClient) -> int:
    found = client.get_experiment_by_name("killed")
    runs = [] if found is None else client.search_runs([found.experiment_id])
    return sum("train_loss" in tracked.data.metrics for tracked in runs)


def test_stages_of_dvc_without_a_server_make_one_run(folder: Path, server: Server) -> None:
    (folder / "overrides.yaml").write_text(
        f"overrides: {json.dumps([*TINY, WAIT, 'tracking.experiment=stages of dvc'])}"
    )
    server.stop()
    try:
        output = succeed(folder, "dvc", "repro", MLFLOW_TRACKING_URI=server.address)
    finally:
        server.go_on()
    assert stages_run(output)[-2:] == ["train", "evaluate"]
    (record,) = outbox(folder)
    assert json.loads((record / "run.json").read_text())["run_id"] is None
    name, last = succeed(folder, "python", "pipelines/sync.py").splitlines()
    assert last == "1 published"
    client = MlflowClient(server.address)
    (found,) = client.search_runs([client.get_experiment_by_name("stages of dvc").experiment_id])
    assert (found.info.run_id, found.info.status) == (name.split()[-1], "FINISHED")
    assert (
        found.data.metrics["test_accuracy"]
        == json.loads((folder / "reports" / "metrics.json").read_text())["test"]["accuracy"]
    )
    assert {file.path for file in client.list_artifacts(found.info.run_id)} >= {"model", "figures", "history.csv"}


def test_sweep_without_a_server(folder: Path, server: Server) -> None:
    words = ("-m", *TINY, WAIT, "seed=0,1", "tracking.experiment=sweep", "hydra.sweep.dir=swept")
    server.stop()
    try:
        ended = run(folder, "python", "pipelines/run.py", *words, MLFLOW_TRACKING_URI=server.address)
    finally:
        server.go_on()
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1), ended.stderr
    assert (folder / "swept" / "leaderboard.csv").exists()
    assert succeed(folder, "python", "pipelines/sync.py").splitlines()[-1] == "3 published"
    client = MlflowClient(server.address)
    runs = client.search_runs([client.get_experiment_by_name("sweep").experiment_id])
    assert [tracked.info.status for tracked in runs] == ["FINISHED"] * 3
    (parent,) = [tracked for tracked in runs if "sweep_id" in tracked.data.tags]
    again = succeed(folder, "python", "pipelines/leaderboard.py", parent.info.run_id, f"tracking.uri={server.address}")
    assert "best" in again
    for name in ("leaderboard.csv", "leaderboard.json", "leaderboard.md"):
        assert (folder / "leaderboard" / name).read_bytes() == (folder / "swept" / name).read_bytes()


def test_second_sync_at_once_says_so(folder: Path) -> None:
    with FileLock(folder / ".plainmlp" / "outbox" / "publishing"):
        ended = run(folder, "python", "pipelines/sync.py")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "another process is already publishing" in ended.stderr


def test_address_with_credentials_is_asked_for_them(folder: Path) -> None:
    from plainmlp.tracking.outbox import Outbox, RunHeader

    address = f"http://***@127.0.0.1:{free_port()}"
    Outbox(folder).add(RunHeader("record-0", address, "e", "n", {}, 0), {}, {})
    ended = run(folder, "python", "pipelines/sync.py")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"record-0 belongs to {address}: set MLFLOW_TRACKING_URI to it" in ended.stderr
    secret = address.replace("***", "ann:geheim")
    ended = run(folder, "python", "pipelines/sync.py", "tracking.wait_seconds=0.5", MLFLOW_TRACKING_URI=secret)
    assert "MLflow cannot record there" in ended.stderr
    assert "geheim" not in ended.stderr
    Outbox(folder).remove("record-0")


def test_run_that_was_killed_on_another_machine_is_listed_and_ended(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(address)
    experiment = client.create_experiment("e", str(tmp_path / "artifacts"))
    tags = {"plainmlp.process": "a far machine 12 1.00"}
    run_id = client.create_run(experiment, tags=tags, run_name="a run").info.run_id
    here = client.create_run(experiment, run_name="without a process").info.run_id
    words = ("python", ROOT / "pipelines" / "sync.py", f"tracking.uri={address}", "tracking.experiment=e")
    line, last = succeed(tmp_path, *words, "--running").splitlines()
    assert re.fullmatch(rf"a run  {run_id}  on a far machine since \d{{4}}-\d\d-\d\d \d\d:\d\d", line)
    assert last == "1 running on other machines"
    assert succeed(tmp_path, *words, "--end", run_id) == "0 running on other machines\n"
    found = client.get_run(run_id)
    assert (found.info.status, found.data.tags["failure"]) == ("KILLED", "its process on a far machine was killed")
    for other in (run_id, here):
        ended = run(tmp_path, *words, "--end", other)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert f"error: {other!r} is " in ended.stderr
        assert "(allowed: a run that is RUNNING elsewhere)" in ended.stderr
