"""The outbox: whole lines or none, whatever happens while one is written."""

from multiprocessing import get_context

import pytest

from configurations import refusal
from plainmlp.tracking.outbox import Outbox, RunHeader, as_published, published
from plainmlp.tracking.tags import PARENT_TAG

HEADER = RunHeader("record-1", "http://h", "e", "a run", {"point_id": "p"}, 5)
ENTRIES = "entries.jsonl"


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path)


def values_of(outbox):
    return [entry["tags"]["n"] for entry in outbox.entries(HEADER.record_id)]


def add(outbox, number):
    outbox.add(HEADER, {"tags": {"n": str(number)}}, {})


def test_entries_come_back_in_their_order_to_the_last_bit(outbox):
    metrics = [["a", 1 / 3, 17, 2], ["b", float("inf"), 18, 0], ["c", float("nan"), 19, 1]]
    outbox.add(HEADER, {"metrics": metrics, "parameters": {"k": "é"}, "tags": {"t": "\n"}}, {})
    add(outbox, 1)
    first, second = outbox.entries(HEADER.record_id)
    assert repr(first["metrics"]) == repr(metrics)
    assert (first["parameters"], first["tags"], second["tags"]) == ({"k": "é"}, {"t": "\n"}, {"n": "1"})
    assert outbox.header("record-1") == HEADER


@pytest.mark.parametrize("n_cut", [1, 5, 20])
def test_line_that_was_not_written_whole_is_as_if_it_had_never_been(outbox, n_cut):
    for number in range(3):
        add(outbox, number)
    path = outbox.folder / HEADER.record_id / ENTRIES
    path.write_bytes(path.read_bytes()[:-n_cut])
    assert values_of(outbox) == ["0", "1"]
    add(outbox, 7)
    assert values_of(outbox) == ["0", "1", "7"]


def test_damaged_line_is_named(outbox):
    add(outbox, 0)
    path = outbox.folder / HEADER.record_id / ENTRIES
    path.write_bytes(b"{" + path.read_bytes())
    assert str(path) in refusal(outbox.entries, HEADER.record_id)
    (path.parent / "run.json").write_text('{"run": 1}')
    assert "run.json: is damaged" in refusal(outbox.headers)


def test_files_are_copied(outbox, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    entry = {"files": ["x/a.txt"]}
    outbox.add(HEADER, entry, {"x/a.txt": tmp_path / "a.txt"})
    (tmp_path / "a.txt").write_text("changed")
    assert outbox.places(HEADER.record_id, entry)["x/a.txt"].read_text() == "a"


def test_run_that_has_grown_is_not_removed(outbox):
    add(outbox, 0)
    add(outbox, 1)
    assert not outbox.remove(HEADER.record_id, 1)
    assert outbox.remove(HEADER.record_id, 2)
    assert outbox.remove(HEADER.record_id, 2)  # it is gone already
    assert outbox.headers() == []


def test_sweeps_come_before_their_points_and_runs_by_age(outbox):
    for name, tags, started in (("c", {PARENT_TAG: "b"}, 1), ("b", {}, 3), ("a", {}, 2)):
        outbox.add(RunHeader(f"record-{name}", "http://h", "e", name, tags, started), {}, {})
    assert [header.name for header in outbox.headers()] == ["a", "b", "c"]


def fill(outbox, first):
    for number in range(first, first + 50):
        add(outbox, number)


@pytest.mark.slow
def test_processes_that_write_at_once_lose_nothing(outbox):
    context = get_context("fork")
    processes = [context.Process(target=fill, args=(outbox, 50 * number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(map(int, values_of(outbox))) == list(range(200))


def test_losses_are_a_group_of_charts_and_what_training_does_is_beside_what_it_came_to():
    curves = {"train_loss": 1, "validation_loss": 2, "validation_accuracy": 3, "gradient_norm": 4, "dead_units": 5}
    named = published({**curves, "learning_rate": 6})
    groups = {name.partition("/")[0] for name in named if "/" in name}
    assert groups == {"loss", "system"}
    assert {name: value for name, value in named.items() if "/" not in name} == dict(list(curves.items())[:3])
    assert named["loss/validation"] == 2
    assert as_published(curves, published(curves)) == published(curves)
    assert as_published(curves, curves) == curves  # a run that was recorded before there were groups
