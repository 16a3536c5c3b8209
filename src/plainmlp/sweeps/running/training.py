"""The points of a sweep trained by an engine, unit by unit; this process alone writes the archive."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive, Files
from plainmlp.sweeps.running.units import Engine, PointError, Results, Unit, WorkerDiedError, as_point_error
from plainmlp.system.errors import TrainingError

POINTS_A_SECOND = 16  # at most, of the seconds that a unit takes
SHARES = 2  # for each unit on its way: the last units are small, so that all workers end together
Ended = tuple[str, PointError | None]  # a point id, and why the point failed if it did


class PointTraining:
    """Points that an engine trains, if the archive does not hold them; the first units are sent out at once.

    Points of the same data follow each other, since a process keeps the last that it read. If a worker ends before its
    unit is done, each point of the unit is trained once more, alone, and fails if its worker ends again.
    """

    def __init__(self, points: Iterable[Point], archive: Archive, engine: Engine) -> None:
        self.points = {point.point_id: point for point in points}
        self._archive, self._engine = archive, engine
        configs = {name: each.config for name, each in self.points.items()}
        missing = [name for name, each in configs.items() if not archive.has(name, each.training.loss_every)]
        self._folders = {name: archive.data.folder(configs[name].dataset, configs[name].split) for name in missing}
        self._present = [name for name in self.points if name not in self._folders]
        self._waiting = deque(sorted(self._folders, key=self._folders.__getitem__))
        self._running, self._died = dict[Future[Any], Unit](), set[str]()  # those that died have lost a worker
        self._submit()

    def ended(self) -> Generator[Ended, None, None]:
        """Yield each point id once the point is in the archive or has failed, with the reason; first those that were there."""
        yield from ((name, None) for name in self._present)
        results = Results()
        while self._waiting or self._running or results:
            self._submit()
            for point_id, result in results.items():  # the engine is busy meanwhile
                yield point_id, _keep(self._archive, self.points[point_id], result)
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            results = {}
            for future in done:
                results |= self._results(future, self._running.pop(future))

    def _submit(self) -> None:
        while self._waiting and len(self._running) < self._engine.units_at_once:
            unit = self._next_unit()
            self._running[self._engine.submit(unit)] = unit

    def _next_unit(self) -> Unit:
        """Return points of the same data, or one that lost its worker."""
        engine, first = self._engine, self._waiting.popleft()
        share = (len(self._waiting) + 1) // (SHARES * engine.units_at_once)
        size, chosen = max(1, min(share, int(POINTS_A_SECOND * engine.unit_seconds))), [first]
        while self._waiting and len(chosen) < size and self._suits(first, self._waiting[0]):
            chosen.append(self._waiting.popleft())
        points = {name: self.points[name] for name in chosen}
        return Unit(points, self._folders[first], self._archive.checkpoints_folder, engine.unit_seconds)

    def _suits(self, first: str, other: str) -> bool:
        return self._folders[first] == self._folders[other] and not {first, other} & self._died

    def _results(self, future: Future[Any], unit: Unit) -> Results:
        """Return the results of a unit that has ended; the points without one wait again, before all others."""
        try:
            results = self._engine.results(future)
        except WorkerDiedError as death:
            error = TrainingError(f"its worker process {death}, for the second time")
            results = {name: error for name in unit.points if name in self._died}
            self._died |= unit.points.keys()
        self._waiting.extendleft(sorted(unit.points.keys() - results.keys()))
        return results


def _keep(archive: Archive, point: Point, result: Files | PointError) -> PointError | None:
    """Archive a point; return why it failed, if it did."""
    if not isinstance(result, dict):
        return result
    try:
        archive.keep(point.point_id, result, point.config.training.loss_every)
        if point.config.training.stop_after is None:  # else a training of more epochs goes on from there
            archive.checkpoints(point.training_id).clear()
    except Exception as error:  # noqa: BLE001 - such as a full disk
        return as_point_error(error)
    return None
