"""The manifest of a run: all that MLflow has of it, whichever way it got there; and its signature."""

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from configurations import refusal
from plainmlp.system.files import digest_file
from plainmlp.tracking import connection
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.publication import publish
from plainmlp.tracking.recording.manifest import PASSING, check_signing, copy_of, is_signed, neutral, stored_text
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import ChildRun, Store
from plainmlp.tracking.tags import RECORD_TAG

pytestmark = pytest.mark.slow

DATA = [{"name": "data", "digest": "0" * 32, "profile": {"n_train": 3}}]


@pytest.fixture
def store(address: str, tmp_path: Path) -> Store:
    return Store(address, "manifests", Outbox(tmp_path))


def started(store: Store) -> TrackedRun:
    return store.start("1" * 64, "a run", {"model.activation": "relu"}, {"code_digest": "2" * 64}, DATA)


def filled(run: TrackedRun, name: str = "first") -> None:
    """Add files, metrics of every kind and a tag that names the run."""
    run.log_text("text", f"{name}.txt")
    run.log_results({name: 0.5, "nothing": math.nan, "most": math.inf, "zero": -0.0}, {name: f"of {run.reference}"})
    for epoch in range(3):
        run.log_epoch(epoch, {"loss": 1.0 / (epoch + 1)})


def artifact(store: Store, run_id: str, name: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(store.client.download_artifacts(run_id, name, str(folder)))


def assert_whole(store: Store, run_id: str, folder: Path) -> dict:
    """Check that a run's manifest has exactly what MLflow has, and return it."""
    path = artifact(store, run_id, "manifest.json", folder)
    data, manifest = store.client.get_run(run_id).data, json.loads(path.read_text())
    record_id = data.tags[RECORD_TAG]
    assert data.tags["manifest_digest"] == digest_file(path) == digest_file(copy_of(folder.parent, record_id))
    assert manifest["record"] == record_id
    assert manifest["metrics"] == {name: stored_text(value) for name, value in data.metrics.items()}
    assert manifest["parameters"] == data.params
    ours = {key: value for key, value in data.tags.items() if key not in {*PASSING, RECORD_TAG, "mlflow.runName"}}
    assert manifest["tags"] == {key: neutral(value, run_id, record_id) for key, value in ours.items()}
    names = {file.path for file in store.client.list_artifacts(run_id)} - {"manifest.json", "manifest.json.sig"}
    assert {name.split("/")[0] for name in manifest["files"]} == names
    for name, entry in manifest["files"].items():
        content = artifact(store, run_id, name, folder).read_bytes()
        assert entry == {"size": len(content), "sha256": sha256(content).hexdigest()}
    return manifest


def test_single_run(store: Store, tmp_path: Path) -> None:
    with started(store).closing() as run:
        filled(run)
    manifest = assert_whole(store, run.run_id, tmp_path / "got")
    assert manifest["whole"]
    assert manifest["metrics"]["loss"] == repr(1 / 3)
    assert manifest["metrics"]["nothing"] == "nan"
    assert manifest["tags"]["first"] == f"of {run.header.record_id}"


def test_run_that_goes_on_after_its_end(store: Store, tmp_path: Path) -> None:
    with started(store).closing() as run:
        filled(run)
    again = store.resume(run.header, "1" * 64)
    with again.closing():
        filled(again, "second")
    manifest = assert_whole(store, run.run_id, tmp_path / "got")
    assert manifest["whole"]
    assert {"first.txt", "second.txt"} <= set(manifest["files"])


def test_run_that_was_killed_and_published_before_it_went_on_has_a_part(store: Store, tmp_path: Path) -> None:
    run = started(store)
    filled(run)
    header = replace(run.header, tags={**run.header.tags, "plainmlp.process": "elsewhere 1 1"})
    store._outbox.remove(run.header.record_id)
    again = store.resume(header, "1" * 64)
    with again.closing():
        filled(again, "second")
    path = artifact(store, run.run_id, "manifest.json", tmp_path / "got")
    assert json.loads(path.read_text())["whole"] is False


def test_run_that_waits_while_mlflow_is_away(server, tmp_path: Path) -> None:
    connection.connect.cache_clear()
    store = Store(server.address, "manifests", Outbox(tmp_path), 0.4)
    server.stop()
    try:
        with started(store).closing() as run:
            filled(run)
    finally:
        server.go_on()
    connection.connect.cache_clear()
    (published,) = publish(Outbox(tmp_path), server.address, 30.0)
    assert run.run_id is None
    assert_whole(Store(server.address, "manifests"), published.run_id, tmp_path / "got")


@pytest.mark.parametrize("is_at_once", [True, False])
def test_point_of_a_sweep(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_at_once: bool) -> None:
    monkeypatch.setattr("plainmlp.tracking.store.writes_at_once", lambda *place: is_at_once)
    files = tmp_path / "files"
    files.mkdir()
    (files / "history.csv").write_text("epoch\n")
    parent = store.start_parent("a sweep", {}, {"sweep_id": tmp_path.name})
    values = {"parameters": {"seed": "1"}, "tags": {"weights_digest": "3" * 64}, "metrics": {"test_loss": 0.5}}
    ends = {"status": "FINISHED", "started": 0.0, "ended": 1.0}
    curves = {"loss": [2.0, 1.0]}
    child = ChildRun(parent.reference, "1" * 64, "p", **values, curves=curves, artifacts=files, **ends)
    [run_id] = store.add_children([child])
    parent.end("FINISHED")
    assert assert_whole(store, run_id, tmp_path / "got")["whole"]
    assert assert_whole(store, parent.run_id, tmp_path / "got")["whole"]


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        key = tmp_path / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)]
        subprocess.run(command, check=True)
        return key

    return make


def test_signature_is_that_of_the_key_over_the_manifest(address: str, tmp_path: Path, keys) -> None:
    ann, bob = keys("ann"), keys("bob")
    allowed, others = tmp_path / "allowed", tmp_path / "others"
    allowed.write_text(f"ann@example.org {ann.with_suffix('.pub').read_text()}")
    others.write_text(f"bob@example.org {bob.with_suffix('.pub').read_text()}")
    store = Store(address, "manifests", Outbox(tmp_path, check_signing(str(ann))))
    with started(store).closing() as run:
        filled(run)
    assert_whole(store, run.run_id, tmp_path / "got")
    manifest = artifact(store, run.run_id, "manifest.json", tmp_path / "got")
    signature = artifact(store, run.run_id, "manifest.json.sig", tmp_path / "got")
    assert is_signed(manifest, signature, allowed)
    assert not is_signed(manifest, signature, others)
    assert not is_signed(manifest, tmp_path / "none", allowed)
    manifest.write_text(manifest.read_text().replace("relu", "tanh"))
    assert not is_signed(manifest, signature, allowed)


def test_key_that_is_not_there_is_refused_and_one_that_cannot_sign_warned_of(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(check_signing, "none").startswith("tracking.sign = 'none': there is no such file")
    (tmp_path / "bad").write_text("no key\n")
    store = Store(address, "manifests", Outbox(tmp_path, tmp_path / "bad"))
    with started(store).closing() as run:
        filled(run)
    assert "warning: this run is not signed: " in capsys.readouterr().out
    assert store.client.get_run(run.run_id).info.status == "FINISHED"
