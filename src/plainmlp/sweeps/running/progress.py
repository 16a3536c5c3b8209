"""The progress of a sweep: points done, failed and left, the time left, and the best so far, under any launcher."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import Result, archived_run, choose_metric, judge
from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 10.0  # if there is no terminal


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

    def look(self) -> None:
        """Take in the points that have ended since the last look."""
        present = self.archive.present()
        for point in self.points:
            if point.point_id in present and point.point_id not in self.done:
                self._take_in(point)
        self.failed = self.archive.failed() & {point.point_id for point in self.points} - self.done

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


@contextmanager
def show_progress(points: Sequence[Point], archive: Archive) -> Iterator[None]:
    """Show the progress of points while the block runs: a bar on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    progress, over = SweepProgress(points, archive), Event()
    watch = _watch_bar if console.is_terminal else _watch_lines
    thread = Thread(target=watch, args=(console, progress, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch_bar(console: "Console", progress: SweepProgress, over: Event) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("points"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(progress.points))
        for _ in _looks(progress, over, SECONDS_BETWEEN_LOOKS):
            bar.update(task, completed=len(progress.done) + len(progress.failed), description=str(progress))


def _watch_lines(console: "Console", progress: SweepProgress, over: Event) -> None:
    for _ in _looks(progress, over, SECONDS_BETWEEN_LINES):
        console.print(str(progress), markup=False)


def _looks(progress: SweepProgress, over: Event, seconds: float) -> Iterator[None]:
    """Look again and again, the last time when all is over."""
    is_over = False
    while not is_over:
        is_over = over.wait(seconds)
        progress.look()
        yield
