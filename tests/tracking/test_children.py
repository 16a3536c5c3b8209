"""Runs below another: written in one go, found again, and with all that a leaderboard needs."""

import math
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import IntegrityError

from configurations import refusal
from plainmlp.tracking.bulk import is_known
from plainmlp.tracking.run import ITEMS_PER_BATCH, TrackedRun
from plainmlp.tracking.store import ChildRun, Store
from plainmlp.training.history import write_history

CURVES = {"train_loss": [0.5, 0.25, math.pi], "validation_accuracy": [0.1, 0.9, 0.8]}


@pytest.fixture(scope="module")
def store(address: str) -> Store:
    return Store(address, "tests of children")


@pytest.fixture
def parent(store: Store) -> TrackedRun:
    return store.start_parent("a sweep", {"sweep.points": "2"}, {"kind": "sweep"})


def add(store: Store, parent: TrackedRun, point_id: str = "ab" * 32, **changes) -> str:
    [reference] = store.add_children([child_of(parent, point_id, **changes)])
    return reference


def child_of(parent: TrackedRun, point_id: str = "ab" * 32, **changes) -> ChildRun:
    values = {
        "parameters": {"seed": "0", "model.activation": "relu"},
        "tags": {"weights_digest": "d1"},
        "metrics": {"test_accuracy": 0.5, "validation_accuracy": 7.0},
        "curves": CURVES,
        "artifacts": None,
        "status": "FINISHED",
        "started": 1000.5,
        "ended": 1002.0,
    }
    return ChildRun(parent.run_id, point_id, "digits 16", **{**values, **changes})


def test_parent_is_a_running_run_with_parameters_and_tags(store, parent):
    run = store.client.get_run(parent.run_id)
    assert (run.info.run_name, run.info.status) == ("a sweep", "RUNNING")
    assert run.data.params == {"sweep.points": "2"}
    assert {"kind", "mlflow.user"} <= run.data.tags.keys()
    parent.end("FINISHED")
    assert store.client.get_run(parent.run_id).info.status == "FINISHED"


def test_child_is_whole(store, parent):
    run = store.client.get_run(add(store, parent))
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["point_id"] == "ab" * 32
    assert run.data.tags["weights_digest"] == "d1"
    assert run.info.run_name == "digits 16"
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 1000500, 1002000)
    assert run.data.params == {"seed": "0", "model.activation": "relu"}
    for name, values in CURVES.items():
        history = store.client.get_metric_history(run.info.run_id, name)
        assert [(point.step, point.value) for point in sorted(history, key=lambda p: p.step)] == [*enumerate(values)]
    assert run.data.metrics["test_accuracy"] == 0.5


def test_a_metric_that_is_a_curve_stays_that(store, parent):
    (child,) = (store.children(parent.run_id) for _ in [add(store, parent)])
    assert child[0].metrics["validation_accuracy"] == 0.8


def test_more_values_than_one_call_takes(store, parent):
    curve = [step / 7 for step in range(ITEMS_PER_BATCH)]
    run_id = add(store, parent, curves={"a": curve, "b": curve[:50]}, parameters={f"k{n}": "1" for n in range(90)})
    assert len(store.client.get_metric_history(run_id, "a")) == len(curve)
    assert len(store.client.get_metric_history(run_id, "b")) == 50


def test_children_are_those_of_their_parent_on_every_page(store, parent, monkeypatch):
    monkeypatch.setattr("plainmlp.tracking.stored_runs.RUNS_AT_ONCE", 2)
    other = store.start_parent("another", {}, {})
    add(store, other)
    run_ids = {add(store, parent, f"{n:064d}") for n in range(5)}
    children = store.children(parent.run_id)
    assert {child.run_id for child in children} == run_ids
    assert {child.point_id for child in children} == {f"{n:064d}" for n in range(5)}
    assert len(children) == 5


def test_children_are_found_from_another_experiment(store, parent, address):
    add(store, parent)
    assert len(Store(address, "another experiment").children(parent.run_id)) == 1


def test_failed_child_says_why(store, parent):
    add(store, parent, status="FAILED", curves={}, metrics={}, tags={"failure": "the loss is not finite"})
    (child,) = store.children(parent.run_id)
    assert (child.status, child.failure, child.metrics) == ("FAILED", "the loss is not finite", {})


def test_history_comes_back_to_the_last_bit(store, parent, tmp_path):
    write_history(tmp_path / "history.csv", CURVES, [""] * len(next(iter(CURVES.values()))))
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    add(store, parent, artifacts=tmp_path)
    (child,) = store.children(parent.run_id)
    assert store.history(child) == CURVES
    client = MlflowClient(store.address)
    assert {file.path for file in client.list_artifacts(child.run_id)} == {"history.csv", "config.yaml"}


def test_lost_history_is_refused_in_one_line(store, parent):
    add(store, parent)
    (child,) = store.children(parent.run_id)
    assert "history.csv: cannot be read" in refusal(store.history, child)


def test_unknown_parent_is_refused_in_one_line(store):
    assert refusal(store.children, "no such run").startswith("'no such run' is not a run in sqlite")
    assert refusal(store.children, "' or 1=1 --").startswith('"')


def test_child_that_cannot_be_written_does_not_stay_running(store, parent, monkeypatch):
    monkeypatch.setattr("plainmlp.tracking.bulk.is_known", lambda: False)
    with pytest.raises(MlflowException):
        add(store, parent, curves={"no [such] name": [1.0]})
    assert [child.status for child in store.children(parent.run_id)] == ["FAILED"]
    add(store, parent)
    assert sorted(child.status for child in store.children(parent.run_id)) == ["FAILED", "FINISHED"]


def test_times_are_those_given(store, parent):
    now = time.time()
    run = store.client.get_run(add(store, parent, started=now - 3, ended=now))
    assert run.info.end_time - run.info.start_time == pytest.approx(3000, abs=1)


def rows_of(store, run_id):
    """Return all that the database has of a run, but for what tells it from others."""
    found = {}
    with closing(sqlite3.connect(store.address.removeprefix("sqlite:///"))) as connection:
        for table in ("runs", "tags", "params", "metrics", "latest_metrics"):
            cursor = connection.execute(f"select * from {table} where run_uuid = ?", [run_id])
            names = [column[0] for column in cursor.description]
            texts = (tuple(str(value).replace(run_id, "ID") for value in row) for row in cursor)
            found[table] = sorted(tuple(zip(names, row, strict=True)) for row in texts)
    found["tags"] = [row for row in found["tags"] if ("key", "plainmlp.record") not in row]
    return found


def test_run_in_one_transaction_has_the_rows_that_the_client_writes(store, parent, tmp_path, monkeypatch):
    nasty = {"a": [math.nan, 1.0, -math.inf], "b": [0.0, -0.0, math.inf], "c": [5.0, 4.0, math.nan]}
    assert is_known()
    run_ids = []
    for known in (True, False):
        monkeypatch.setattr("plainmlp.tracking.bulk.is_known", lambda known=known: known)
        artifacts = tmp_path / f"{known}"
        (artifacts / "provenance").mkdir(parents=True)
        (artifacts / "provenance" / "changes.patch").write_text("none\n")
        run_ids.append(add(store, parent, curves={**CURVES, **nasty}, artifacts=artifacts))
    one, other = (rows_of(store, run_id) for run_id in run_ids)
    assert one == other
    assert len(one["metrics"]) > 10
    files = [{file.path for file in store.client.list_artifacts(run_id, "provenance")} for run_id in run_ids]
    assert files == [{"provenance/changes.patch"}] * 2


def test_run_in_one_transaction_is_there_whole_or_not_at_all(store, parent):
    before = len(store.children(parent.run_id))
    with pytest.raises(IntegrityError):
        add(store, parent, parameters={"seed": None})
    assert len(store.children(parent.run_id)) == before


def _missing():
    raise ImportError


@pytest.mark.parametrize(
    ("place", "content"),
    [("bulk.VALUE_COLUMNS", "key value run_uuid another"), ("bulk._tables", _missing)],
)
def test_tables_of_another_version_are_left_to_the_client_which_is_said_once(
    store, parent, monkeypatch, capsys, place, content
):
    monkeypatch.setattr(f"plainmlp.tracking.{place}", content)
    is_known.cache_clear()
    run_ids = [add(store, parent) for _ in range(3)]
    is_known.cache_clear()
    assert {store.client.get_run(run_id).info.status for run_id in run_ids} == {"FINISHED"}
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith("warning: MLflow ")
    assert line.endswith(" has other tables than this version knows; recording a sweep takes longer")


def test_artifacts_that_are_elsewhere_are_left_to_the_client(store, parent, monkeypatch):
    monkeypatch.setattr("plainmlp.tracking.bulk._artifact_location", lambda *place: "s3://bucket/1")
    monkeypatch.setattr("plainmlp.tracking.store.write_runs", None)
    assert store.client.get_run(add(store, parent)).info.status == "FINISHED"


@pytest.mark.parametrize("is_bulk", [True, False])
def test_many_are_as_whole_as_one_and_in_their_order(store, parent, monkeypatch, tmp_path, is_bulk):
    monkeypatch.setattr("plainmlp.tracking.store.writes_at_once", lambda *place: is_bulk)
    children = []
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "notes.txt").write_text(str(number))
        values = {"metrics": {"test_accuracy": number / 100}, "artifacts": tmp_path / str(number)}
        children.append(child_of(parent, f"{number:064}", **values))
    for number, run_id in enumerate(store.add_children(children)):
        run = store.client.get_run(run_id)
        assert (run.info.status, run.data.tags["point_id"]) == ("FINISHED", f"{number:064}")
        assert run.data.metrics["test_accuracy"] == number / 100
        assert [value.value for value in store.client.get_metric_history(run_id, "train_loss")] == CURVES["train_loss"]
        file = store.client.download_artifacts(run_id, "notes.txt", str(tmp_path))
        assert Path(file).read_text() == str(number)
    assert len(store.children(parent.run_id)) == 12


def test_of_many_none_is_there_where_one_cannot_be_written(store, parent, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "notes.txt").write_text("kept")
    with pytest.raises(IntegrityError):  # MLflow has no name for this status
        store.add_children([child_of(parent, artifacts=tmp_path / "files"), child_of(parent, status="UPSIDE DOWN")])
    assert store.children(parent.run_id) == []
    assert (tmp_path / "files" / "notes.txt").read_text() == "kept"  # what is tried next has its files


def test_lost_answer_to_a_new_run_makes_no_second_one(store, parent, monkeypatch):
    monkeypatch.setattr("plainmlp.tracking.store.writes_at_once", lambda *place: False)
    create, answers = store.client.create_run, [ConnectionError("the server went away")]

    def lose_the_first(*arguments, **named):
        run = create(*arguments, **named)
        if answers:
            raise answers.pop()
        return run

    monkeypatch.setattr(store.client, "create_run", lose_the_first)
    add(store, parent)
    assert answers == []
    [child] = store.children(parent.run_id)
    assert child.status == "FINISHED"
