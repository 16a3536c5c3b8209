"""The progress of a sweep: points done, failed and left, the time left, and the best so far, under any launcher."""

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import Result, archived_run, choose_metric, judge
from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError
from plainmlp.tracking.terminal import watch


@dataclass(eq=False)
class SweepProgress:
    """How far points are, seen in the archive, where every launcher puts them."""

    points: Sequence[Point]
    archive: Archive
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    best: str = ""
    _started: float = field(default_factory=time.perf_counter)
    _ended_before: int = 0
    _best_score: float = -math.inf  # the higher, the better

    def __post_init__(self) -> None:
        """Take in what was there before, which says nothing about the time left."""
        self.look()
        self._ended_before = len(self.done)

    def look(self) -> tuple[int, str]:
        """Take in the points that have ended since the last look; return how many have by now, and a line."""
        present = self.archive.present()
        for point in self.points:
            if point.point_id in present and point.point_id not in self.done:
                self._take_in(point)
        self.failed = self.archive.failed() & {point.point_id for point in self.points} - self.done
        return len(self.done) + len(self.failed), str(self)

    def _take_in(self, point: Point) -> None:
        """Count a point as done, unless it is damaged, and compare it with the best, if it can be ranked."""
        with suppress(InputError):
            kept = self.archive.load(point.point_id)
            self.done.add(point.point_id)
            run = archived_run(point, kept, "")
            name = choose_metric([run], point.config.sweep.metric)
            result, sign = judge(run, kept.history, name), 1.0 if is_higher_better(name) else -1.0
            if isinstance(result, Result) and sign * result.value > self._best_score:
                self._best_score, self.best = sign * result.value, f"best {name} {result.value:.4g}"

    def __str__(self) -> str:
        """Return one line."""
        ended = len(self.done) + len(self.failed)
        left = len(self.points) - ended
        line = f"{len(self.done)} done, {len(self.failed)} failed, {left} left"
        lately = ended - self._ended_before
        if lately and left:
            seconds = (time.perf_counter() - self._started) / lately * left
            line += f", {seconds:.0f} s to go"
        return f"{line}  {self.best}".rstrip()


def show_progress(points: Sequence[Point], archive: Archive) -> AbstractContextManager[None]:
    """Return a block in which the progress of points is shown."""
    return watch("points", len(points), SweepProgress(points, archive).look)
