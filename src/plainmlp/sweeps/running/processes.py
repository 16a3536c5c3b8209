"""The engine of this machine: a process for each core, none of which outlives the process that started it.

Every worker is a pool of one, since a pool of many loses the work of all with one that is killed.
"""

import os
import pickle
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from threading import Thread
from typing import Any

from plainmlp.sweeps.running.units import UNIT_SECONDS, Results, Unit, WorkerDiedError, train_unit
from plainmlp.system.files import unfinished, writing
from plainmlp.system.process import end_with, relax_garbage_collection, uninterrupted


class Processes:
    """Trains units in `n_jobs` processes of this machine: as many as there are points start now, others when needed."""

    unit_seconds = UNIT_SECONDS

    def __init__(self, n_jobs: int, n_points: int) -> None:
        self.units_at_once = n_jobs
        self._idle = [_Worker() for _ in range(min(n_jobs, n_points))]
        self._working: dict[Future[Path], _Worker] = {}

    def __str__(self) -> str:
        """Say who trains."""
        return f"{self.units_at_once} processes"

    def submit(self, unit: Unit) -> Future[Path]:
        """Send a unit to a process that has none."""
        worker = self._idle.pop() if self._idle else _Worker()
        try:
            future = worker.pool.submit(_train, unit)
        except BrokenProcessPool:  # it was killed while it had no work
            worker.stop()
            return self.submit(unit)
        self._working[future] = worker
        return future

    def results(self, future: Future[Path]) -> Results:
        """Return what a unit gave, or raise WorkerDiedError."""
        worker = self._working.pop(future)
        try:
            results = _take(future.result())
        except BrokenProcessPool:
            end = worker.describe_end()
            worker.stop()
            raise WorkerDiedError(end) from None
        self._idle.append(worker)
        return results

    def close(self) -> None:
        """End all processes, whatever they do."""
        for worker in (*self._idle, *self._working.values()):
            worker.stop()
        self._idle.clear()
        self._working.clear()


class _Spawning(SpawnContext):
    """Starts processes and knows the last, which a list of the living would miss if it was killed at once."""

    def Process(self, *arguments: Any, **named: Any) -> SpawnProcess:  # type: ignore[override] # noqa: N802
        self.started = SpawnProcess(*arguments, **named)
        return self.started


class _Worker:
    """A process that trains one unit at a time."""

    def __init__(self) -> None:
        context = _Spawning()
        with uninterrupted():
            self.pool = ProcessPoolExecutor(1, context, _begin, (os.getpid(),))
            self.pool.submit(os.getpid)  # it starts the process
        self._process = context.started

    def describe_end(self) -> str:
        """Say how the process has ended."""
        self.pool.shutdown()  # a thread of the pool takes the exit code, and nobody has it before that thread ends
        code = self._process.exitcode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self.pool.shutdown(cancel_futures=True)


def _train(unit: Unit) -> Path:
    """Train a unit, in a worker; return the file with its results.

    What goes through the pipe of a pool is so short that it arrives whole or not at all: for the rest of a longer message
    from a worker that was killed the pool would wait for ever.
    """
    results = train_unit(unit)
    unit.checkpoints.mkdir(parents=True, exist_ok=True)
    path = unfinished(unit.checkpoints / "unit")
    with writing(path), path.open("wb") as file:
        pickle.dump(results, file, pickle.HIGHEST_PROTOCOL)
    return path


def _take(path: Path) -> Results:
    """Return the results in the file of a worker, and remove it."""
    with path.open("rb") as file:
        results: Results = pickle.load(file)  # noqa: S301 - this command's own worker has written it
    path.unlink()
    return results


def _begin(parent: int) -> None:
    """Let this process end with its parent, which a thread notices where the system does not help."""
    end_with(parent)
    relax_garbage_collection()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
