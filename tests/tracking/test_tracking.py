import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from configurations import refusal
from plainmlp.config.schema import TrackingSection
from plainmlp.tracking.addresses import tracking_address
from plainmlp.tracking.recording.configuration import LONGEST_PARAMETER, flat_parameters
from plainmlp.tracking.run import ITEMS_PER_BATCH, TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification

POINT = "0123456789abcdef" * 4
DATA = [{"name": "points", "digest": "d" * 36, "profile": {"n_train": 3}}]
SOURCE = Path(__file__).resolve().parents[2] / "src"


class CountingClient(MlflowClient):
    """A client that counts its calls that send metrics."""

    calls = 0

    def log_batch(self, *arguments, **named):
        self.calls += 1
        return super().log_batch(*arguments, **named)

    def log_metric(self, *arguments, **named):
        self.calls += 1
        return super().log_metric(*arguments, **named)


@pytest.fixture(scope="module")
def store(address: str) -> Store:
    return Store(address, "tests of tracking")


@pytest.fixture
def tracked(store: Store) -> TrackedRun:
    return store.start(POINT, "points 5", {"seed": "0"}, {"git_commit": "c0ffee"}, DATA)


def read(store: Store, run: TrackedRun):
    return MlflowClient(store.address).get_run(run.run_id)


def steps(store: Store, run: TrackedRun, name: str) -> list[tuple[int, float]]:
    history = MlflowClient(store.address).get_metric_history(run.run_id, name)
    return sorted((point.step, point.value) for point in history)


def test_address_of_configuration_wins_then_environment_then_database_of_checkout(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    default = TrackingSection(uri=None, experiment="e")
    assert tracking_address(default, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_address(default, tmp_path) == "http://127.0.0.1:1"
    assert tracking_address(TrackingSection(uri="sqlite:///a.db", experiment="e"), tmp_path) == "sqlite:///a.db"


def test_run_has_name_parameters_tags_and_data(store, tracked):
    run = read(store, tracked)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "points 5"
    assert run.data.params == {"seed": "0"}
    assert run.data.tags["point_id"] == POINT
    assert run.data.tags["git_commit"] == "c0ffee"
    assert {"mlflow.user", "mlflow.source.name"} <= run.data.tags.keys()
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest, used.dataset.profile) == ("points", "d" * 36, '{"n_train": 3}')
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_experiment_opens_on_the_pages_for_models(store, address):
    kind = ("mlflow.experimentKind", "custom_model_development")
    assert kind in store.client.get_experiment(store.experiment_id).tags.items()
    earlier = store.client.create_experiment("made by an earlier version")
    Store(address, "made by an earlier version")
    assert kind in store.client.get_experiment(earlier).tags.items()


def test_curves_are_visible_while_the_run_goes_on(store, tracked):
    tracked._pause = -1.0  # as if a second had passed
    for epoch in range(3):
        tracked.log_epoch(epoch, {"train_loss": 1 / (epoch + 1)})
    assert read(store, tracked).info.status == "RUNNING"
    assert [step for step, _ in steps(store, tracked, "train_loss")][:1] == [0]


def test_a_flush_is_due_after_a_second(store, tracked):
    tracked.log_epoch(0, {"train_loss": 1.0})
    assert steps(store, tracked, "train_loss") == []
    tracked._flushed -= 1.1
    tracked.log_epoch(1, {"train_loss": 0.5})
    assert steps(store, tracked, "train_loss") == [(0, 1.0), (1, 0.5)]


def test_many_values_are_sent_in_few_calls(address):
    store = Store(address, "tests of tracking")
    store.client = CountingClient(address)
    run = store.start(POINT, "points", {}, {}, DATA)
    store.client.calls = 0
    for epoch in range(600):
        run.log_epoch(epoch, {"train_loss": epoch / 7, "validation_loss": epoch / 3})
    run.end("FINISHED")
    assert store.client.calls <= 2 + math.ceil(3 * 600 / ITEMS_PER_BATCH)
    assert steps(store, run, "train_loss") == [(epoch, epoch / 7) for epoch in range(600)]
    assert steps(store, run, "validation_loss")[-1] == (599, 599 / 3)


def test_whole_history_has_a_step_for_each_epoch(store, tracked):
    tracked.log_history({"train_loss": [3.0, 2.0, 1.0], "learning_rate": [0.1, 0.1, 0.1]})
    assert steps(store, tracked, "train_loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert steps(store, tracked, "system/learning_rate") == [(0, 0.1), (1, 0.1), (2, 0.1)]


def test_values_that_are_not_finite_are_recorded(store, tracked):
    tracked.log_epoch(0, {"up": math.inf, "down": -math.inf, "none": math.nan})
    tracked.end("FINISHED")
    metrics = read(store, tracked).data.metrics
    assert metrics["up"] > 1e308
    assert metrics["down"] < -1e308
    assert math.isnan(metrics["none"])


def test_results_and_files_are_kept(store, tracked, tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n0\n")
    tracked.log_results({"test_accuracy": 0.5}, {"weights_digest": "ab"})
    tracked.log_file(tmp_path / "history.csv", "tables")
    tracked.log_text("seed: 0\n", "config.yaml")
    run = read(store, tracked)
    assert (run.data.metrics["test_accuracy"], run.data.tags["weights_digest"]) == (0.5, "ab")
    client = MlflowClient(store.address)
    assert {file.path for file in client.list_artifacts(tracked.run_id)} == {"tables", "config.yaml"}
    database = Path(store.address.removeprefix("sqlite:///"))
    kept = database.parent / "mlruns" / "tests of tracking" / tracked.run_id / "artifacts" / "config.yaml"
    assert kept.read_text() == "seed: 0\n"


@pytest.mark.parametrize(
    ("error", "status"), [(None, "FINISHED"), (ValueError("too large"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_run_is_closed_whatever_happens(store, tracked, error, status):
    def body():
        with tracked.closing() as run:
            run.log_epoch(0, {"train_loss": 1.0})
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(type(error)):
            body()
    run = read(store, tracked)
    assert run.info.status == status
    assert run.info.end_time is not None
    assert steps(store, tracked, "train_loss") == [(0, 1.0)]
    assert run.data.tags.get("failure") == (None if error is None else f"{type(error).__name__}: {error}")


def test_run_whose_start_fails_does_not_stay_running(store):
    with pytest.raises(Exception, match="a\\[b\\]"):
        store.start(POINT, "cannot start", {"a[b]": "1"}, {}, DATA)
    client = MlflowClient(store.address)
    found = client.search_runs([store.experiment_id], "tags.`mlflow.runName` LIKE 'cannot start%'")
    assert [run.info.status for run in found] == ["FAILED"]


def test_resume_finds_the_run_of_the_same_point_only(store, tracked):
    resumed = store.resume(tracked.header, POINT)
    assert resumed is not None
    resumed.log_results({"test_accuracy": 1.0}, {})
    assert read(store, tracked).data.metrics == {"test_accuracy": 1.0}
    assert store.resume(tracked.header, "f" * 64) is None
    assert store.resume(replace(tracked.header, run_id="0" * 32), POINT) is None
    assert Store(store.address, "another").resume(tracked.header, POINT) is None
    MlflowClient(store.address).delete_run(tracked.run_id)
    assert store.resume(tracked.header, POINT) is None


def test_page_is_the_server_s_or_says_how_to_start_one(store, tracked, monkeypatch):
    path = f"#/experiments/{store.experiment_id}/runs/{tracked.run_id}"
    assert path in tracked.page()
    assert tracked.page().endswith(f" after: mlflow ui --backend-store-uri {store.address}")
    monkeypatch.setattr(store, "address", "http://tracking.example/")
    assert tracked.page().startswith(f"http://tracking.example/{path}")


def test_deleted_experiment_is_refused(address):
    experiment = Store(address, "gone").experiment_id
    MlflowClient(address).delete_experiment(experiment)
    line = refusal(Store, address, "gone")
    assert line.startswith("tracking.experiment = 'gone' was deleted")
    assert f"restore -x {experiment}" in line


@pytest.mark.parametrize(
    "bad", ["bogus://x", "some/folder", "postgresql+nosuchdriver://h/d", "sqlite:///{folder}", "sqlite:///{text}"]
)
def test_bad_address_is_refused(bad, tmp_path):
    text = tmp_path / "text"
    text.write_text("no database " * 100)
    line = refusal(Store, bad.format(folder=tmp_path, text=text), "e")
    assert line.startswith("tracking.uri = '")
    assert "allowed: sqlite:///" in line


def test_server_that_is_away_is_refused_without_an_outbox():
    assert refusal(Store, "http://127.0.0.1:9", "e", None, 1.0).startswith("tracking.uri = 'http://127.0.0.1:9'")


def test_parameters_are_flat_under_their_keys():
    assert flat_parameters(
        {
            "seed": 3,
            "model": {"hidden_sizes": [8, 4], "initializer": {"name": "normal", "mean": 0.5}, "weights": None},
            "training": {"shuffle": True, "batch_size": "full"},
        }
    ) == {
        "seed": "3",
        "model.hidden_sizes": "[8, 4]",
        "model.initializer": "normal",
        "model.initializer.mean": "0.5",
        "model.weights": "null",
        "training.shuffle": "true",
        "training.batch_size": "full",
    }


def test_long_parameter_is_shortened_where_it_can_be_seen(store, recwarn):
    longest, longer = "x" * LONGEST_PARAMETER, "x" * (LONGEST_PARAMETER + 1)
    flat = flat_parameters({"dataset": {"target": longest, "path": longer}})
    run = store.start(POINT, "long", flat, {}, DATA)
    parameters = read(store, run).data.params
    assert parameters["dataset.target"] == longest
    assert parameters["dataset.path"].startswith("xxx")
    assert " ... (shortened; whole in config.yaml; SHA-256 " in parameters["dataset.path"]
    assert not recwarn.list


START = """
import sys
from plainmlp.tracking.store import Store
run = Store(sys.argv[1], "crowd").start("f" * 64, sys.argv[2], {}, {}, [{"name": "d", "digest": "0", "profile": {}}])
with run.closing():
    run.log_epoch(0, {"train_loss": 1.0})
"""


def _size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a journal comes and goes
        return 0


@pytest.mark.parametrize("uri", ["/tmp/x", "file:///tmp/x", "FILE:///tmp/x", "", "x", "runs:/0/x", "models:/m/1"])
def test_server_that_would_have_files_written_here_is_refused(store, tracked, monkeypatch, tmp_path, uri):
    run = read(store, tracked)
    run.info._artifact_uri = uri.replace("/tmp", str(tmp_path))
    monkeypatch.setattr(store.client, "get_run", lambda run_id: run)
    monkeypatch.setattr(store, "address", "http://127.0.0.1:5000")
    (tmp_path / "new").write_text("x")
    line = refusal(tracked.log_file, tmp_path / "new")
    assert line.startswith(
        "tracking.uri = 'http://127.0.0.1:5000': its artifacts would be written on this machine, to '"
    )
    assert "--artifacts-destination" in line
    assert "on this machine" in refusal(add_verification, store, tracked.run_id, {}, {"verify/a.md": "x"})
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


@pytest.mark.slow
@pytest.mark.long
def test_database_whose_making_was_killed_is_made_again(tmp_path):
    database = tmp_path / "mlflow.db"
    words = [sys.executable, "-c", START, f"sqlite:///{database}", "killed"]
    with subprocess.Popen(words, cwd=tmp_path, env={"PYTHONPATH": str(SOURCE), "PATH": ""}) as maker:
        while not [path for path in tmp_path.glob("*mlflow.db*") if _size(path) > 20_000]:
            assert maker.poll() is None
        maker.kill()
    Store(f"sqlite:///{database}", "whole").start_parent("after it", {}, {}).end("FINISHED")
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


@pytest.mark.slow
def test_settings_of_the_user_win(address):
    program = (
        "import os, sys\nfrom plainmlp.tracking.store import Store\nStore(sys.argv[1], 'e')\n"
        "print(os.environ['MLFLOW_HTTP_REQUEST_MAX_RETRIES'], os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    environment = {"PYTHONPATH": str(SOURCE), "PATH": "", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "7"}
    answer = subprocess.run(
        [sys.executable, "-c", program, address], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "7 true\n"
    assert answer.stderr == ""
