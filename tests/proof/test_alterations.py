"""Whatever is changed in a record after its run is found: in files, tags, parameters and metrics of a real store."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from configurations import refusal
from plainmlp.proof.comparison import Agreement, Judgement, Verdict, compare
from plainmlp.proof.recorded import RecordedRun, RunFiles, find_alterations, find_untrusted, read_recorded
from plainmlp.tracking.connection import Connection
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification
from plainmlp.training.backends.table import OWN_BACKEND
from recorded import EXPERIMENT

FILES = (
    "config.yaml",
    "model.safetensors",
    "history.csv",
    "metrics.json",
    "intervals.json",
    "provenance/environment.txt",
)


@contextmanager
def altered(file: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Change a file, or remove it where nothing is left, and bring it back."""
    whole = file.read_bytes()
    changed = change(whole)
    assert changed != whole
    if changed:
        file.write_bytes(changed)
    else:
        file.unlink()
    try:
        yield
    finally:
        file.write_bytes(whole)


@contextmanager
def updated(database: Path, table: str, condition: str, **values: object) -> Iterator[None]:
    """Change a row of MLflow's database, and bring it back."""
    ((column, value),) = values.items()
    with sqlite3.connect(database) as connection:
        rows = connection.execute(f"SELECT {column} FROM {table} WHERE {condition}").fetchall()
        assert len(rows) == 1
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {condition}", (value,))
    try:
        yield
    finally:
        with sqlite3.connect(database) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {condition}", rows[0])


def flipped(content: bytes) -> bytes:
    """Return a file with the last bit the other way round."""
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.fixture
def read(tracked: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], RecordedRun]:
    return lambda: read_recorded(tracked.store, tracked.run_id, tmp_path_factory.mktemp("recorded"))


def assert_different(recorded: RecordedRun, again: RunFiles, alteration: str) -> None:
    """Check that an alteration is found, and that the verdict says so."""
    alterations = find_alterations(recorded)
    assert [line for line in alterations if alteration in line], alterations
    judgement = Judgement(tuple(compare(recorded.files, again, recorded.backend)), tuple(alterations))
    assert judgement.verdict is Verdict.DIFFERENT
    assert alteration in judgement.summarize() or len(alterations) > 1


def test_record_that_nobody_touched_is_whole(read, again: RunFiles) -> None:
    recorded = read()
    assert find_alterations(recorded) == []
    judgement = Judgement(tuple(compare(recorded.files, again, recorded.backend)))
    assert judgement.summarize() == "identical", judgement
    assert recorded.backend == OWN_BACKEND


def test_backend_is_that_of_the_configuration_and_our_own_in_an_old_one(tracked: SimpleNamespace, read) -> None:
    section = b"backend:\n  name: numpy\n"
    for changed, backend in ((b"backend:\n  name: torch\n", "torch"), (b"", OWN_BACKEND)):
        with altered(tracked.artifacts / "config.yaml", lambda whole, new=changed: whole.replace(section, new)):
            assert read().backend == backend


def test_flipped_bit_in_the_stored_weights(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with altered(tracked.artifacts / "model.safetensors", flipped):
        recorded = read()
    assert_different(recorded, again, "model.safetensors is damaged")
    (weights,) = [aspect for aspect in compare(recorded.files, again, recorded.backend) if aspect.name == "weights"]
    assert weights.agreement is Agreement.DIFFERENT


def test_flipped_bit_in_the_model_that_mlflow_serves(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with altered(tracked.artifacts / "model" / "data" / "model.safetensors", flipped):
        assert_different(read(), again, "the model that MLflow serves is not model.safetensors")


def test_other_weights_with_a_checksum_of_their_own(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    place, model = tracked.artifacts / "model.safetensors", read().files.model
    model.parameters[0] = model.parameters[0] * (1 + 1e-15)
    whole = place.read_bytes()
    model.save(place)
    recorded = read()
    place.write_bytes(whole)
    assert_different(recorded, again, "the weights in model.safetensors do not have the weights_digest of the run")


@pytest.mark.parametrize("name", FILES)
def test_edited_file(tracked: SimpleNamespace, read, name: str) -> None:
    with altered(tracked.artifacts / name, lambda whole: whole.replace(b"3", b"4")):
        assert find_alterations(read())


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv", "provenance/environment.txt"])
def test_removed_file(tracked: SimpleNamespace, read, name: str) -> None:
    with altered(tracked.artifacts / name, lambda whole: b""):
        assert f"{Path(name).name} is missing" in find_alterations(read())


def test_changed_parameter_in_the_configuration_is_not_executed(tracked: SimpleNamespace, read, again) -> None:
    with altered(tracked.artifacts / "config.yaml", lambda whole: whole.replace(b"epochs: 3", b"epochs: 4")):
        recorded = read()
    assert find_untrusted(recorded) == ["config.yaml does not have the configuration_digest of the run"]
    assert_different(recorded, again, "the parameter training.epochs is '3' in MLflow and '4' in config.yaml")


def test_changed_parameter_in_mlflow(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with updated(tracked.database, "params", "key = 'optimizer.learning_rate'", value="0.5"):
        recorded = read()
    assert find_untrusted(recorded) == []
    assert_different(recorded, again, "the parameter optimizer.learning_rate is '0.5' in MLflow")


def test_forged_metric(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    name = "test_accuracy"
    before = tracked.store.client.get_run(tracked.run_id).data.metrics[name]
    tracked.store.client.log_metric(tracked.run_id, name, 1.0 if before != 1.0 else 0.5)
    recorded = read()
    tracked.store.client.log_metric(tracked.run_id, name, before)
    assert_different(recorded, again, f"the metric {name} is ")
    assert find_alterations(read()) == []


def test_forged_point_of_a_curve(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with updated(tracked.database, "metrics", "key = 'train_loss' AND step = 1", value=0.125):
        assert_different(read(), again, "the curve train_loss in MLflow is not that of history.csv")


def test_metric_forged_in_every_place_that_has_it(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    """The record agrees with itself; the re-execution does not agree with it."""
    file = tracked.artifacts / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["test"]["log_loss"] *= 1 + 1e-12
    with (
        altered(file, lambda whole: json.dumps(metrics).encode()),
        updated(tracked.database, "latest_metrics", "key = 'test_log_loss'", value=metrics["test"]["log_loss"]),
    ):
        recorded = read()
    assert find_alterations(recorded) == []
    judgement = Judgement(tuple(compare(recorded.files, again, recorded.backend)))
    assert judgement.verdict is Verdict.DIFFERENT
    assert "such as test_log_loss: " in judgement.summarize()


def test_changed_tag(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with updated(tracked.database, "tags", "key = 'numerics.threads'", value="7"):
        assert_different(read(), again, "the tag numerics.threads is '7' in MLflow and '1' in provenance.json")


def test_changed_point_id(tracked: SimpleNamespace, read, again: RunFiles) -> None:
    with updated(tracked.database, "tags", "key = 'point_id'", value="0" * 64):
        judgement = Judgement(tuple(compare(read().files, again, OWN_BACKEND)))
    assert judgement.summarize().startswith("different: point: point_id 000000000000, here ")


def test_runs_that_cannot_be_executed_again_are_refused(tracked: SimpleNamespace, tmp_path: Path) -> None:
    store = tracked.store
    assert "is no run in sqlite:///" in refusal(read_recorded, store, "0" * 32, tmp_path)
    parent = store.start_parent("a sweep", {}, {"sweep_id": "1" * 64})
    assert "is a sweep's parent run; pass --sweep" in refusal(read_recorded, store, parent.run_id, tmp_path)
    parent.end("FINISHED")
    other = store.start_parent("other", {}, {})
    assert "ended RUNNING; only a run that is FINISHED" in refusal(read_recorded, store, other.run_id, tmp_path)
    other.end("FINISHED")
    assert "has no artifact config.yaml" in refusal(read_recorded, store, other.run_id, tmp_path)


def test_server_that_went_away_is_said_in_one_line(tracked: SimpleNamespace, tmp_path: Path) -> None:
    store = Store(tracked.store.address, EXPERIMENT)
    store.connection = Connection(store.address, 0.0, is_limited=False)  # it has waited long enough
    assert "MLflow cannot record there" in refusal(read_recorded, store, tracked.run_id, tmp_path)
    assert "MLflow cannot record there" in refusal(add_verification, store, tracked.run_id, {"verify.verdict": "x"}, {})
