"""The recorder: many points at a time, in a thread of its own, behind what feeds it."""

from threading import Event, Timer

import pytest

from plainmlp.sweeps.running import job as module
from plainmlp.sweeps.running.job import Recorder
from plainmlp.system.errors import StorageError
from waiting import wait_until


@pytest.fixture
def batches(monkeypatch):
    """Return what is recorded, batch by batch."""
    found = []
    monkeypatch.setattr(
        module, "record_outcomes", lambda ended, checkout: found.append([job for job, _ in ended]) or {}
    )
    return found


@pytest.fixture
def blocked(batches, monkeypatch):
    """Let the recording wait until the event is set."""
    go_on, record = Event(), module.record_outcomes
    monkeypatch.setattr(module, "record_outcomes", lambda *given: record(*given) | {"": go_on.wait(20)})
    yield go_on
    go_on.set()


def test_a_point_is_recorded_at_once_and_those_that_come_meanwhile_together(batches, blocked, tmp_path):
    with Recorder(tmp_path) as recorder:
        recorder.add(0, None)
        wait_until(lambda: batches, "the first point", 20)
        for number in range(1, 100):  # returns while the recording goes on
            recorder.add(number, None)
        assert batches == [[0]]
        blocked.set()
    assert batches == [[0], [*range(1, 65)], [*range(65, 100)]]


def test_after_an_interruption_what_has_begun_is_finished_and_no_more(batches, blocked, tmp_path):
    def interrupted():
        with Recorder(tmp_path) as recorder:
            recorder.add(0, None)
            wait_until(lambda: batches, "the first point", 20)
            recorder.add(1, None)
            Timer(0.5, blocked.set).start()  # while the block waits for its end
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert batches == [[0]]


@pytest.mark.parametrize("n_points", [1, 2])
def test_what_recording_meets_ends_the_block(monkeypatch, tmp_path, n_points):
    def fail(*_):
        raise StorageError(28, "No space left on device", "mlflow.db")

    def record():
        with Recorder(tmp_path) as recorder:
            for number in range(n_points):
                recorder.add(number, None)
                wait_until(recorder._recording.done, "the failure", 20)
            added.append(n_points)

    added = []
    monkeypatch.setattr(module, "record_outcomes", fail)
    with pytest.raises(StorageError):
        record()
    assert added == [1][: 2 - n_points]  # where there is a second point, it is met before the end
