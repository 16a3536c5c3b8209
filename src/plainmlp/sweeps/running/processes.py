"""The engine of this machine: a process for each core, none of which outlives the process that started it.

A pool of Python's would wait for ever for the rest of an answer in the middle of which its process was killed.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from multiprocessing import Pipe, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Thread, current_thread, main_thread

from plainmlp.sweeps.running.engines import UNIT_SECONDS, WorkerDiedError
from plainmlp.sweeps.running.units import Results, Unit, train_unit
from plainmlp.system.process import collect_seldom, end_with

ENDING = (signal.SIGINT, signal.SIGTERM)


class Processes:
    """Trains units in `n_jobs` processes of this machine: as many as there are points start now, others when needed."""

    unit_seconds = UNIT_SECONDS

    def __init__(self, n_jobs: int, n_points: int) -> None:
        self.units_at_once = n_jobs
        self._idle = [_Worker() for _ in range(min(n_jobs, n_points))]
        self._working: dict[Future[Results], _Worker] = {}

    def __str__(self) -> str:
        """Say who trains."""
        return f"{self.units_at_once} processes"

    def submit(self, unit: Unit) -> Future[Results]:
        """Send a unit to a process that has none."""
        worker = self._idle.pop() if self._idle else _Worker()
        if not worker.is_alive():  # it was killed while it had no work
            worker.stop()
            return self.submit(unit)
        future = worker.send(unit)
        self._working[future] = worker
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a unit gave, or raise WorkerDiedError."""
        worker = self._working.pop(future)
        try:
            results = future.result()
        except WorkerDiedError:
            worker.stop()
            raise
        self._idle.append(worker)
        return results

    def close(self) -> None:
        """End all processes, whatever they do."""
        for worker in (*self._idle, *self._working.values()):
            worker.stop()
        self._idle.clear()
        self._working.clear()


class _Worker:
    """A process that trains one unit at a time, and a thread that waits for what it answers."""

    def __init__(self) -> None:
        self._connection, its_end = Pipe()
        self._process = SpawnProcess(target=_serve, args=(its_end, os.getpid()))
        with uninterrupted():
            self._process.start()
        its_end.close()  # here, so that nothing more is to be read once the process has ended
        self._thread = Thread()

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, unit: Unit) -> Future[Results]:
        future: Future[Results] = Future()
        self._thread = Thread(target=self._exchange, args=(unit, future), daemon=True)
        self._thread.start()
        return future

    def _exchange(self, unit: Unit, future: Future[Results]) -> None:
        """Complete a future with what the process answers, or with its end."""
        try:
            self._connection.send(unit)
            answer = self._connection.recv()
        except (EOFError, OSError):
            answer = WorkerDiedError(self._describe_end())
        except Exception as error:  # noqa: BLE001 - whoever asks for the results gets it
            answer = error
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _describe_end(self) -> str:
        """Say how the process has ended."""
        self._process.join()
        code = self._process.exitcode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        if self._thread.is_alive():
            self._thread.join()
        self._process.join()
        self._connection.close()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals until the block ends, since a process that is started by half complains.

    Ctrl-C stays blocked in the processes started here: a terminal sends it to all, and the parent decides what ends.
    """
    received: list[int] = []
    numbers = ENDING if current_thread() is main_thread() else ()  # signals interrupt no other thread
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    _start_tracker()  # which would undo the next line, if it were started later
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)


def _start_tracker() -> None:
    """Start Python's own process that removes what one leaves that is killed, and let it do so without a warning."""
    name, before = "PYTHONWARNINGS", os.environ.get("PYTHONWARNINGS")
    os.environ[name] = ",".join(filter(None, (before, "ignore:resource_tracker")))
    resource_tracker.ensure_running()
    del os.environ[name]
    if before is not None:
        os.environ[name] = before


def _serve(connection: Connection, parent: int) -> None:
    """Train each unit that comes, until the parent ends, which a thread notices where the system does not help."""
    end_with(parent)
    collect_seldom()
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError):
        while True:
            unit = connection.recv()
            try:
                answer: Results | Exception = train_unit(unit)
            except Exception as error:  # noqa: BLE001 - the parent raises it
                answer = error
            connection.send(answer)


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
