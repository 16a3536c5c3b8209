"""Workers: the points of a sweep, trained by several processes, none of which outlives the process that started it."""

import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread, current_thread, main_thread

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive
from plainmlp.sweeps.running.job import PointError, train_point
from plainmlp.system.errors import TrainingError
from plainmlp.system.process import collect_seldom, end_with

ENDING = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_END = 5  # after the last result
Ended = tuple[str, PointError | None]  # a point id, and why the point failed if it did


def train_points(points: Iterable[Point], archive: Archive, n_jobs: int) -> Generator[Ended, None, None]:
    """Train the points that the archive does not hold, in `n_jobs` processes; with 1 in this one.

    Each point id is yielded as soon as the point is done, with why it failed if it did; points that the archive held at
    the start come first.

    If a process ends before its point is done, the point is trained once more, and no other is lost. Points of the same
    data follow each other, since a process keeps the last that it read. Close the iterator to end all processes.
    """
    distinct = {point.point_id: point for point in points}
    missing = [point for name, point in distinct.items() if not archive.has(name, point.config.training.loss_every)]
    present = distinct.keys() - {point.point_id for point in missing}
    held: deque[Ended] = deque((name, None) for name in distinct if name in present)
    tasks = [_Task(point, archive.splits_folder(point.config.dataset, point.config.split)) for point in missing]
    tasks.sort(key=lambda task: task.folder)
    if n_jobs == 1:
        yield from held
        for task in tasks:
            yield task.point.point_id, train_point(task.point, task.folder, archive)
        return
    with closing(_Crew(tasks, archive, n_jobs)) as crew:
        while held or crew.is_busy:
            held.extend(crew.poll(0 if held else None))
            if held:
                yield held.popleft()


class Worker:
    """A process that trains the points that it is sent; `results` receives why each failed, and ends with the process."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.results, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        with _uninterrupted():
            self._process.start()
        theirs.close()  # else the results would not end with the process

    def send(self, point: Point, folder: Path, archive: Archive) -> None:
        """Send a point; if the process has ended, `results` tells."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.results.send((point, folder, archive))

    def describe_end(self) -> str:
        """Say how the process ended, once its results have."""
        self._process.join(SECONDS_TO_END)
        code = self._process.exitcode
        if code is None:
            return "stopped answering"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self.results.close()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay signals until the block ends, since a process that is started by half complains.

    Ctrl-C stays blocked in the processes started here: a terminal sends it to all, and the parent decides what ends.
    """
    received: list[int] = []
    numbers = ENDING if current_thread() is main_thread() else ()  # signals interrupt no other thread
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    resource_tracker.ensure_running()  # started later, it would undo the next line
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)


def _serve(tasks: Connection, parent: int) -> None:
    """Train points until the parent ends, which a thread notices where the system does not help."""
    end_with(parent)
    collect_seldom()
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent has just ended
        while True:
            tasks.send(train_point(*tasks.recv()))


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


@dataclass(frozen=True)
class _Task:
    """A point for a worker, its data, and whether this is its last try."""

    point: Point
    folder: Path
    is_last_try: bool = False


class _Crew:
    """Workers with their tasks, and the points that wait for one."""

    def __init__(self, tasks: Iterable[_Task], archive: Archive, n_jobs: int) -> None:
        self._archive, self._n_jobs = archive, n_jobs
        self._tasks: dict[Worker, _Task] = {}
        self._waiting = deque(tasks)

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks or self._waiting)

    def poll(self, seconds: float | None) -> list[Ended]:
        """Return the results that have come in, after waiting for some at most so long."""
        while self._waiting and len(self._tasks) < self._n_jobs:
            self._employ(Worker())
        ready = wait([worker.results for worker in self._tasks], seconds)
        found = [self._receive(worker) for worker in list(self._tasks) if worker.results in ready]
        return [result for result in found if result is not None]

    def _employ(self, worker: Worker) -> None:
        """Give a worker the next point, or end it."""
        if self._waiting:
            task = self._tasks[worker] = self._waiting.popleft()
            worker.send(task.point, task.folder, self._archive)
        else:
            worker.stop()

    def _receive(self, worker: Worker) -> Ended | None:
        """Return the result that a worker has sent, and give it the next point."""
        task = self._tasks.pop(worker)
        try:
            failure = worker.results.recv()
        except (EOFError, OSError):  # it ended, perhaps in the middle of a message
            return self._lose(worker, task)
        self._employ(worker)
        return task.point.point_id, failure

    def _lose(self, worker: Worker, task: _Task) -> Ended | None:
        """Queue the point of a worker that has ended once more, or let it fail."""
        end = worker.describe_end()
        worker.stop()
        if task.is_last_try:
            return task.point.point_id, TrainingError(f"its worker process {end}, for the second time")
        self._waiting.appendleft(_Task(task.point, task.folder, is_last_try=True))
        return None

    def close(self) -> None:
        """End all workers."""
        for worker in self._tasks:
            worker.stop()
