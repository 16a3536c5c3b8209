"""Runs that wait for a store: listed, given up, and sent elsewhere."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

import sync
from configurations import refusal
from plainmlp.system.process import own_process
from plainmlp.tracking.outbox import Outbox, RunHeader, new_record_id
from plainmlp.tracking.publication import publish
from plainmlp.tracking.tags import PROCESS_TAG

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    monkeypatch.setattr(sync, "ROOT", tmp_path)
    return Outbox(tmp_path)


def wait(outbox: Outbox, **entry: object) -> RunHeader:
    """Leave a run in an outbox for a store that is not there."""
    header = RunHeader(new_record_id(), NOWHERE, "waiting", "digits 8 relu adam", {PROCESS_TAG: own_process()}, 0)
    outbox.add(header, {"parameters": {"seed": "0"}, **entry}, {})
    return header


def test_what_waits_is_listed_with_its_store(outbox, capsys):
    header = wait(outbox, status="FINISHED", ended=1)
    sync.manage_waiting([])
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{header.record_id}  digits 8 relu adam  for {NOWHERE}, waiting"
    assert last == "1 waiting"


def test_a_run_is_given_up_by_its_record_and_no_other(outbox, capsys):
    first, second = (wait(outbox, status="FINISHED", ended=1) for _ in range(2))
    sync.manage_waiting([first.record_id])
    assert "1 waiting" in capsys.readouterr().out
    assert [header.record_id for header in outbox.headers()] == [second.record_id]
    assert f"allowed: {second.record_id}" in refusal(sync.manage_waiting, [first.record_id])


def test_a_run_that_goes_on_is_not_given_up(outbox):
    header = wait(outbox)
    assert "a process still writes this run" in refusal(sync.manage_waiting, [header.record_id])
    assert outbox.holds(header.record_id)


def test_what_no_store_has_yet_goes_where_it_is_sent(outbox, address):
    wait(outbox, status="FINISHED", ended=1)
    (published,) = publish(outbox, address, 5.0, is_redirected=True)
    assert MlflowClient(address).get_run(published.run_id).data.params == {"seed": "0"}
    assert outbox.headers() == []
