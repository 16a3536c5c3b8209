"""The progress of a sweep: points done, failed and left, the time left, and the best so far, under any launcher."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import archived_run, judge_all
from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError


class SweepProgress:
    """How far points are, seen in the archive, where every launcher puts them."""

    def __init__(self, points: Sequence[Point], archive: Archive) -> None:
        self.points, self.archive = points, archive
        self.done, self.failed, self.best = set[str](), set[str](), ""
        self._started, self._ended_before = time.perf_counter(), 0
        self._best_score = -math.inf  # the higher, the better
        self.look()
        self._ended_before = len(self.done)  # which says nothing about the time left

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
            results = judge_all([archived_run(point, kept, "")], lambda _: kept.history, point.config.sweep.metric)
            sign = 1.0 if is_higher_better(results.metric) else -1.0
            for result in results.finished:
                if sign * result.value > self._best_score:
                    self._best_score, self.best = sign * result.value, f"best {results.metric} {result.value:.4g}"

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
