"""Workers: the points of a sweep, trained by several processes at once."""

from collections import deque
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from plainmlp.evaluation.evaluate import measure, predict
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive, read_once
from plainmlp.sweeps.running.processes import Worker
from plainmlp.system.errors import InputError, StorageError, TrainingError
from plainmlp.training.train import train

Failure = InputError | StorageError | TrainingError
Result = tuple[str, Failure | None]  # a point id, and why the point has failed where it has


def train_points(points: Iterable[Point], archive: Archive, n_jobs: int) -> Generator[Result, None, None]:
    """Train the points that the archive does not hold.

    Parameters
    ----------
    points : iterable of Point
    archive : Archive
        Receives what is trained.
    n_jobs : int
        How many processes train at once; with 1 this one does.

    Yields
    ------
    point_id : str
        Each once, in the order in which they are there: those that the archive held at the start come first.
    failure : InputError, StorageError or TrainingError, optional
        Why the point is not in the archive.

    Notes
    -----
    A process that ends before its point is done takes down no other: the point is trained once more. Points of the same
    data follow each other, since a process keeps the last that it read. Close the iterator to end all processes.
    """
    distinct = {point.point_id: point for point in points}
    missing = [point for name, point in distinct.items() if not archive.has(name, point.config.training.loss_every)]
    present = distinct.keys() - {point.point_id for point in missing}
    held: deque[Result] = deque((name, None) for name in distinct if name in present)
    tasks = [_Task(point, archive.splits_folder(point.config.dataset, point.config.split)) for point in missing]
    tasks.sort(key=lambda task: task.folder)
    if n_jobs == 1:
        yield from held
        for task in tasks:
            yield task.point.point_id, complete(task.point, task.folder, archive)
        return
    with closing(_Crew(tasks, archive, n_jobs)) as crew:
        while held or crew.is_busy:
            held.extend(crew.poll(0 if held else None))
            if held:
                yield held.popleft()


def complete(point: Point, folder: Path, archive: Archive) -> Failure | None:
    """Train a point, evaluate it and add it to the archive.

    Parameters
    ----------
    point : Point
    folder : Path
        Its data, as `Archive.splits_folder` returns it.
    archive : Archive

    Returns
    -------
    InputError, StorageError or TrainingError, optional
        Why the point has failed.
    """
    try:
        _complete(point, folder, archive)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the failure of this point
        return as_failure(error)
    return None


def _complete(point: Point, folder: Path, archive: Archive) -> None:
    config, checkpoint, splits = point.config, archive.checkpoints(point.point_id), read_once(folder)
    trained = train(
        splits,
        config.seed,
        config.model,
        config.optimizer,
        config.training,
        checkpoint=checkpoint,
        backend=config.backend.name,
    )
    archive.keep(point.point_id, config, trained, measure(splits, predict(trained.model, splits)))
    checkpoint.clear()


def as_failure(error: Exception) -> Failure:
    """Return an exception as one that has one line, an exit code, and a way through a pipe.

    Parameters
    ----------
    error : Exception
        Of either kind already, or of any other, whose name the line then begins with.
    """
    if isinstance(error, Failure):
        return error
    line = " ".join(str(error).split())
    return TrainingError(f"{type(error).__name__}: {line}")


@dataclass(frozen=True)
class _Task:
    """A point for a worker, its data, and whether this is the last try."""

    point: Point
    folder: Path
    is_last_try: bool = False


class _Crew:
    """Workers, what each of them does, and the points that wait for one."""

    def __init__(self, tasks: Iterable[_Task], archive: Archive, n_jobs: int) -> None:
        self._archive, self._n_jobs = archive, n_jobs
        self._tasks: dict[Worker, _Task] = {}
        self._waiting = deque(tasks)

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks or self._waiting)

    def poll(self, seconds: float | None) -> list[Result]:
        """Return the results that have come in; wait for some, at most so long."""
        while self._waiting and len(self._tasks) < self._n_jobs:
            self._employ(Worker(complete))
        ready = wait([worker.results for worker in self._tasks], seconds)
        found = [self._receive(worker) for worker in list(self._tasks) if worker.results in ready]
        return [result for result in found if result is not None]

    def _employ(self, worker: Worker) -> None:
        """Give a worker the next point, or let it go."""
        if self._waiting:
            task = self._tasks[worker] = self._waiting.popleft()
            worker.send(task.point, task.folder, self._archive)
        else:
            worker.stop()

    def _receive(self, worker: Worker) -> Result | None:
        """Return the result that a worker has sent, and send it on."""
        task = self._tasks.pop(worker)
        try:
            failure = worker.results.recv()
        except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
            return self._lose(worker, task)
        self._employ(worker)
        return task.point.point_id, failure

    def _lose(self, worker: Worker, task: _Task) -> Result | None:
        """Let the point of a worker that has ended be trained once more, or fail."""
        end = worker.describe_end()
        worker.stop()
        if task.is_last_try:
            return task.point.point_id, TrainingError(f"the process that trained it {end}, as another one before it")
        self._waiting.appendleft(_Task(task.point, task.folder, is_last_try=True))
        return None

    def close(self) -> None:
        """End all workers."""
        for worker in self._tasks:
            worker.stop()
