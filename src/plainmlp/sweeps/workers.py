"""Workers: the points of a sweep, trained in stacks by several processes at once."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from plainmlp.data.arrays import Splits
from plainmlp.errors import InputError, StorageError, TrainingError
from plainmlp.schema import Config
from plainmlp.stages.evaluate import measure, predict
from plainmlp.stages.stack import Outcome, Task
from plainmlp.stages.training import train_tasks
from plainmlp.sweeps.archive import Archive, read_once
from plainmlp.sweeps.grouping import group
from plainmlp.sweeps.points import Point
from plainmlp.sweeps.processes import Worker

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
    A process that ends before its stack is done takes down no other: the points that it left are trained once more,
    each alone. Close the iterator to end all processes.
    """
    distinct = {point.point_id: point for point in points}
    missing = [point for name, point in distinct.items() if not archive.has(name)]
    present = distinct.keys() - {point.point_id for point in missing}
    held: deque[Result] = deque((name, None) for name in distinct if name in present)
    stacks = group(missing, lambda config: archive.splits(config.dataset, config.split), n_jobs)
    if n_jobs == 1:
        yield from held
        for stack in stacks:
            yield from complete(stack, _folder(stack[0].config, archive), archive)
        return
    with closing(_Crew(stacks, archive, n_jobs)) as crew:
        while held or crew.is_busy:
            held.extend(crew.poll(0 if held else None))
            if held:
                yield held.popleft()


def complete(stack: Sequence[Point], folder: Path, archive: Archive) -> Iterator[Result]:
    """Train the points of a stack, evaluate them and add them to the archive.

    Parameters
    ----------
    stack : sequence of Point
        Of one group, or a single one.
    folder : Path
        Their data, as `Archive.splits_folder` returns it.
    archive : Archive

    Yields
    ------
    As `train_points`.
    """
    try:
        splits = read_once(folder)
        outcomes = train_tasks([_task(point, archive) for point in stack], splits)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the failure of the points that it belongs to
        if len(stack) == 1:
            yield stack[0].point_id, as_failure(error)
        else:  # such as too little memory: each may be possible alone
            for point in stack:
                yield from complete([point], folder, archive)
        return
    for point, outcome in zip(stack, outcomes, strict=True):
        yield point.point_id, _keep(point, outcome, splits, archive)


def _task(point: Point, archive: Archive) -> Task:
    config, checkpoint = point.config, archive.checkpoints(point.point_id)
    return Task(
        config.seed,
        config.model,
        config.optimizer,
        config.training,
        checkpoint=checkpoint,
        backend=config.backend.name,
    )


def _keep(point: Point, outcome: Outcome, splits: Splits, archive: Archive) -> Failure | None:
    """Evaluate a point and add it to the archive, or return why it has failed."""
    if isinstance(outcome, Exception):
        return outcome
    config, trained = point.config, outcome.trained
    try:
        metrics = measure(splits, predict(trained.model, splits, config.training.blas_threads))
        archive.keep(point.point_id, config, trained, metrics, outcome.seconds)
        archive.checkpoints(point.point_id).clear()
    except Exception as error:  # noqa: BLE001 - the failure of this point alone
        return as_failure(error)
    return None


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


def _folder(config: Config, archive: Archive) -> Path:
    return archive.splits_folder(config.dataset, config.split)


@dataclass
class _Task:
    """A stack for a worker: the points that are left of it, their data, and whether this is the last try."""

    left: dict[str, Point]
    folder: Path
    is_last_try: bool = False


class _Crew:
    """Workers, what each of them does, and the stacks that wait for one."""

    def __init__(self, stacks: Iterable[Sequence[Point]], archive: Archive, n_jobs: int) -> None:
        self._archive, self._n_jobs = archive, n_jobs
        self._tasks: dict[Worker, _Task] = {}
        self._waiting = deque(
            _Task({point.point_id: point for point in stack}, _folder(stack[0].config, archive)) for stack in stacks
        )

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks or self._waiting)

    def poll(self, seconds: float | None) -> list[Result]:
        """Return the results that have come in; wait for some, at most so long."""
        while self._waiting and len(self._tasks) < self._n_jobs:
            self._tasks[Worker(complete)] = self._waiting.popleft()
        results: list[Result] = []
        ready = wait([worker.results for worker in self._tasks], seconds)
        for worker in [worker for worker in self._tasks if worker.results in ready]:
            results += self._receive(worker)
        return results

    def _receive(self, worker: Worker) -> list[Result]:
        """Return what a worker has sent, and send it on."""
        results: list[Result] = []
        while worker in self._tasks and worker.results.poll():
            try:
                result = worker.results.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                return results + self._lose(worker)
            if result is None:
                self._employ(worker)
            else:
                del self._tasks[worker].left[result[0]]
                results.append(result)
        return results

    def _employ(self, worker: Worker) -> None:
        """Give a worker that is ready its task, or the next one, or let it go."""
        if not self._tasks[worker].left and self._waiting:
            self._tasks[worker] = self._waiting.popleft()
        task = self._tasks[worker]
        if task.left:
            worker.send(list(task.left.values()), task.folder, self._archive)
        else:
            del self._tasks[worker]
            worker.stop()

    def _lose(self, worker: Worker) -> list[Result]:
        """Let the points of a worker that has ended be trained once more, or fail."""
        task, end = self._tasks.pop(worker), worker.describe_end()
        worker.stop()
        if task.is_last_try:
            failure = TrainingError(f"the process that trained it {end}, as another one before it")
            return [(name, failure) for name in task.left]
        self._waiting.extendleft(_Task({name: point}, task.folder, True) for name, point in task.left.items())
        return []

    def close(self) -> None:
        """End all workers."""
        for worker in self._tasks:
            worker.stop()
