"""The outbox: whole lines or none, whatever happens while one is written."""

from multiprocessing import get_context

import pytest

from configurations import refusal
from plainmlp.tracking.header import Record
from plainmlp.tracking.operations import log_files, log_values
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.tags import PARENT_TAG

RECORD = Record("record-1", "http://h", "e", "a run", {"point_id": "p"}, 5)
OPERATIONS = "operations.jsonl"


@pytest.fixture
def outbox(tmp_path):
    return Outbox(tmp_path)


def values_of(outbox):
    return [operation["tags"]["n"] for operation in outbox.operations(RECORD.record_id)]


def keep(outbox, number):
    outbox.keep(RECORD, log_values(tags={"n": str(number)}))


def test_operations_come_back_in_their_order_to_the_last_bit(outbox):
    metrics = [("a", 1 / 3, 17, 2), ("b", float("inf"), 18, 0), ("c", float("nan"), 19, 1)]
    outbox.keep(RECORD, log_values(metrics, {"k": "é"}, {"t": "\n"}))
    keep(outbox, 1)
    first, second = outbox.operations(RECORD.record_id)
    assert repr(first["metrics"]) == repr([list(metric) for metric in metrics])
    assert (first["parameters"], first["tags"], second["tags"]) == ({"k": "é"}, {"t": "\n"}, {"n": "1"})
    assert outbox.record("record-1") == RECORD


@pytest.mark.parametrize("n_cut", [1, 5, 30])
def test_line_that_was_not_written_whole_is_as_if_it_had_never_been(outbox, n_cut):
    for number in range(3):
        keep(outbox, number)
    path = outbox.folder / RECORD.record_id / OPERATIONS
    path.write_bytes(path.read_bytes()[:-n_cut])
    assert values_of(outbox) == ["0", "1"]
    keep(outbox, 7)
    assert values_of(outbox) == ["0", "1", "7"]


def test_damaged_line_is_named(outbox):
    keep(outbox, 0)
    path = outbox.folder / RECORD.record_id / OPERATIONS
    path.write_bytes(b"{" + path.read_bytes())
    assert str(path) in refusal(outbox.operations, RECORD.record_id)
    (path.parent / "record.json").write_text('{"run": 1}')
    assert "record.json: is damaged" in refusal(outbox.records)


def test_files_and_folders_are_copied(outbox, tmp_path):
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "below" / "a.txt").write_text("a")
    for name in ("folder", "folder/below/a.txt"):
        outbox.keep(RECORD, log_files("x"), tmp_path / name)
    (tmp_path / "folder" / "below" / "a.txt").write_text("changed")
    folder, file = (outbox.source(RECORD.record_id, operation) for operation in outbox.operations(RECORD.record_id))
    assert (folder / "below" / "a.txt").read_text() == file.read_text() == "a"
    assert (folder.name, file.name) == ("folder", "a.txt")


def test_record_that_has_grown_is_not_removed(outbox):
    keep(outbox, 0)
    keep(outbox, 1)
    assert not outbox.remove(RECORD.record_id, 1)
    assert outbox.remove(RECORD.record_id, 2)
    assert outbox.remove(RECORD.record_id, 2)  # it is gone already
    assert outbox.records() == []


def test_sweeps_come_before_their_points_and_runs_by_age(outbox):
    for name, tags, started in (("c", {PARENT_TAG: "b"}, 1), ("b", {}, 3), ("a", {}, 2)):
        outbox.keep(Record(f"record-{name}", "http://h", "e", name, tags, started))
    assert [record.name for record in outbox.records()] == ["a", "b", "c"]


def fill(outbox, first):
    for number in range(first, first + 50):
        keep(outbox, number)


def test_processes_that_write_at_once_lose_nothing(outbox):
    context = get_context("fork")
    processes = [context.Process(target=fill, args=(outbox, 50 * number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(map(int, values_of(outbox))) == list(range(200))
