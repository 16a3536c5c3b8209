"""How long a process waits for a store, on real ports behind which nobody answers."""

import sqlite3
import threading
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE

from configurations import refusal
from databases import new_database
from plainmlp.system.process import held
from plainmlp.tracking import databases
from plainmlp.tracking.connection import AwayError, Connection, cause, is_away, with_timeout
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.store import Store
from servers import free_port, silent_port, swallowing_port

POINT = "ab" * 32
MARGIN = 15.0  # for a machine that does other things too; without the limit it would be a minute and more


@contextmanager
def stopwatch(at_most: float):
    start = time.monotonic()
    yield
    assert time.monotonic() - start < at_most


@pytest.mark.slow
@pytest.mark.parametrize(
    "port", [lambda: nullcontext(free_port()), silent_port, swallowing_port], ids=["refused", "silent", "swallowing"]
)
def test_run_goes_on_after_the_time_it_may_wait(port, tmp_path, capsys):
    with port() as number:
        address = f"http://ann:geheim@127.0.0.1:{number}"
        with stopwatch(1.0 + MARGIN):
            store = Store(address, "e", Outbox(tmp_path), 1.0)
            with store.start(
                POINT, "points", {"seed": "0"}, {}, [{"name": "d", "digest": "0", "profile": {}}]
            ).closing() as run:
                for epoch in range(50):
                    run.log_epoch(epoch, {"train_loss": 1.0})
                    run.flush()
        with stopwatch(MARGIN):  # the time of this process is used up
            Store(address, "e", Outbox(tmp_path), 1.0).start_parent("p", {}, {}).end("FINISHED")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"MLflow cannot be reached at http://***@127.0.0.1:{number} (")
    assert str(tmp_path / ".plainmlp" / "outbox") in line
    assert line.endswith("sync.py")
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"geheim" not in kept
    assert b"ann:" not in kept


@pytest.mark.parametrize("port", [silent_port, swallowing_port], ids=["silent", "swallowing"])
def test_reading_waits_no_longer(port, monkeypatch):
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)  # of an earlier store of this process
    with port() as number, stopwatch(1.0 + MARGIN):
        assert refusal(Store, f"http://127.0.0.1:{number}", "e", None, 1.0).startswith("tracking.uri = ")


def test_database_that_cannot_be_locked_is_refused_at_once(tmp_path):
    with stopwatch(MARGIN):
        assert "/proc/x.db" in refusal(Store, "sqlite:////proc/x.db", "e")


@pytest.mark.slow
def test_lock_that_another_process_keeps_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "held", partial(held, seconds=0.2))
    database = tmp_path / "mlflow.db"
    with FileLock(f"{database}.lock"):
        line = refusal(Store, f"sqlite:///{database}", "e")
    assert line.startswith(f"{database}.lock has been locked by another process")
    Store(f"sqlite:///{database}", "e")


@pytest.mark.slow
def test_failures_share_one_allowance_and_answers_cost_none():
    connection = Connection("http://h", 1.0, is_limited=True)
    for _ in range(20):
        connection.call(lambda: time.sleep(0.1))
    outcomes = iter([ConnectionResetError("reset"), None, ConnectionResetError("reset")])

    def flaky() -> str:
        error = next(outcomes)
        if error:
            raise error
        return "there"

    assert connection.call(flaky) == "there"
    assert not connection.is_away
    outcomes = iter([ConnectionResetError("reset")] * 9)
    with stopwatch(0.6 + MARGIN), pytest.raises(AwayError, match="reset"):
        connection.call(flaky)
    assert connection.is_away
    with pytest.raises(AwayError):
        connection.call(lambda: "nobody asks any more")


def test_call_that_hangs_is_left_to_itself():
    release = threading.Event()
    connection = Connection("http://h", 0.2, is_limited=True)
    with stopwatch(MARGIN), pytest.raises(AwayError, match="no answer within 0"):
        connection.call(lambda: release.wait(30))
    release.set()


def test_timeout_of_the_function_is_its_own():
    def times_out():
        message = "its own"
        raise TimeoutError(message)

    with pytest.raises(TimeoutError, match="its own"):
        with_timeout(5.0, times_out)


def test_refusals_are_no_absence():
    assert is_away(MlflowException("down"))
    assert is_away(MlflowException("locked", TEMPORARILY_UNAVAILABLE))
    assert is_away(ConnectionResetError())
    assert not is_away(MlflowException("a[b]", INVALID_PARAMETER_VALUE))
    assert not is_away(ValueError())
    connection = Connection("http://h", 5.0, is_limited=True)
    with pytest.raises(MlflowException, match="no such name"):
        connection.call(lambda: _raise(MlflowException("no such name", INVALID_PARAMETER_VALUE)))


def _raise(error: Exception) -> None:
    raise error


def _tell_a_long_story():
    message = "a long story\nof it"
    try:
        _raise(ConnectionRefusedError(111, "Connection refused"))
    except OSError:
        raise MlflowException(message)  # noqa: B904 - as MLflow does it


def test_reason_is_what_it_comes_down_to():
    with pytest.raises(MlflowException) as caught:
        _tell_a_long_story()
    assert cause(caught.value) == "[Errno 111] Connection refused"
    assert cause(ValueError("http://ann:geheim@host")) == "http://***@host"
    assert cause(ValueError()) == "ValueError"


@pytest.mark.slow
def test_database_that_is_locked_keeps_the_run(tmp_path, capsys):
    database = tmp_path / "mlflow.db"
    store = Store(new_database(database), "e", Outbox(tmp_path), 1.0)
    earlier = {*threading.enumerate()}
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with stopwatch(1.0 + MARGIN):
        run = store.start(POINT, "points", {}, {}, [{"name": "d", "digest": "0", "profile": {}}])
        run.end("FINISHED")
    holder.execute("ROLLBACK")
    holder.close()
    for call in {*threading.enumerate()} - earlier:  # one that was left to itself needs the database still
        call.join(MARGIN)
    assert run.run_id is None
    assert f"MLflow cannot be reached at sqlite:///{database}" in capsys.readouterr().err


def test_cause_is_no_interruption_that_was_being_handled():
    error = TimeoutError("no answer")
    error.__context__ = KeyboardInterrupt()
    assert cause(error) == "no answer"
