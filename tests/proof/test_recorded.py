"""The record of a run as it is read: from a database file and from a server, and refused in one line where it cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from checkouts import ROOT
from configurations import refusal
from plainmlp.proof.recorded import _read_predictions, read_recorded
from plainmlp.proof.verdict import Agreement, Verdict
from plainmlp.proof.verification import Terms, verify
from plainmlp.tracking.connection import Connection
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.recording.manifest import own_copy
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import add_verification, download_files, read_run
from plainmlp.training.backends.table import OWN_BACKEND
from planted import Subject
from pointed import files_below
from recorded import EXPERIMENT


@pytest.mark.slow
def test_runs_that_cannot_be_executed_again_are_refused(classified: Subject, tmp_path: Path) -> None:
    store = classified.target.store
    assert "is not a run in sqlite:///" in refusal(read_recorded, store, "0" * 32, tmp_path)
    parent = store.start_parent("a sweep", {}, {"sweep_id": "1" * 64})
    assert "is a sweep's parent run; pass --sweep" in refusal(read_recorded, store, parent.run_id, tmp_path)
    parent.end("FINISHED")
    other = store.start_parent("other", {}, {})
    assert "is RUNNING; only a run that is FINISHED" in refusal(read_recorded, store, other.run_id, tmp_path)
    other.end("FINISHED")
    assert "has no artifact config.yaml" in refusal(read_recorded, store, other.run_id, tmp_path)


def test_predictions_may_name_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("row,id,actual_y,predicted_y\n7,K1,1.5,1.25\n3,K2,2.5,2.75\n", encoding="utf-8")
    found = _read_predictions(path)
    assert found.outputs.tolist() == [[1.5, 1.25], [2.5, 2.75]]
    assert found.given[1:] == (("7", "K1"), ("3", "K2"))


@pytest.mark.slow
def test_server_that_went_away_is_said_in_one_line(classified: Subject, tmp_path: Path) -> None:
    store = Store(classified.target.store.address, EXPERIMENT)
    store.connection = Connection(store.address, 0.0, is_limited=False)  # it has waited long enough
    run_id = classified.target.run_id
    assert "MLflow cannot record there" in refusal(read_recorded, store, run_id, tmp_path)
    assert "MLflow cannot record there" in refusal(add_verification, store, run_id, {"verify.verdict": "x"}, {})


@pytest.mark.slow
def test_files_come_from_a_server_and_never_from_a_folder_that_it_names(server, tmp_path: Path) -> None:
    store = Store(server.address, "files", Outbox(tmp_path))
    with store.start("1" * 64, "a run", {}, {}, [{"name": "data", "digest": "0" * 32, "profile": {}}]).closing() as run:
        run.log_text("text", "first.txt")
        run.log_file(tmp_path / ".plainmlp" / "outbox" / run.header.record_id / "files", "more")
    recorded = read_run(store, run.run_id)
    assert download_files(store, recorded, tmp_path / "got") == {}
    assert set(files_below(tmp_path / "got")) == {"first.txt", "more/first.txt", "manifest.json"}
    for place in ("file:///etc", "/etc", "runs:/0/x", "models:/m/1"):
        foreign = replace(recorded, artifacts=place)
        assert "which the server cannot know to be here" in refusal(download_files, store, foreign, tmp_path / "none")


@pytest.mark.slow
def test_backend_is_that_of_the_configuration_and_our_own_in_an_old_one(classified: Subject, tmp_path: Path) -> None:
    run = classified.target
    for number, (new, backend) in enumerate({"backend:\n  name: torch\n": "torch", "": OWN_BACKEND}.items()):
        with run.restored():
            run.replace("config.yaml", "backend:\n  name: numpy\n", new)
            assert read_recorded(run.store, run.run_id, tmp_path / str(number)).backend == backend


@pytest.mark.slow
def test_configuration_of_another_version_is_refused_and_an_altered_one_not_executed(classified: Subject) -> None:
    from plainmlp.system.files import digest_file

    run, terms = classified.target, Terms(is_quiet=True)
    with run.restored():
        run.replace("config.yaml", "epochs: 3", "epochs: 4")
        judgement = verify(run.store, run.run_id, ROOT, terms).judgement
        assert judgement.verdict is Verdict.DIFFERENT
        assert [aspect.name for aspect in judgement.aspects if aspect.agreement is Agreement.EQUAL] == []
        run.replace("config.yaml", "epochs: 4", "epocks: 4")
        run.tag("configuration_digest", digest_file(run.artifacts / "config.yaml"))
        line = refusal(verify, run.store, run.run_id, ROOT, terms)
    assert line.startswith("its config.yaml does not fit this version (")


@pytest.mark.parametrize(
    "name", ["", "record-", "../../etc/passwd", "record-/../x", f"record-{'x' * 10_000}", "record-\0"]
)
def test_any_text_may_be_the_id_of_a_record(tmp_path: Path, name: str) -> None:
    assert own_copy(tmp_path, name) is None
