"""The progress of a sweep: points done, failed and left, the time left, and the best so far, under any launcher."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

from plainmlp.nn.early_stopping import is_higher_better, kept_epoch
from plainmlp.nn.recipe import Recipe
from plainmlp.sweeps.grid.grid import AUTOMATIC, DEFAULT_METRICS, RANKING_PART
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.training.history import read_history

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
    _best_value: float | None = None

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
        try:
            name, value = self._score(point)
        except InputError:  # a damaged point is not done: it is trained again
            return
        self.done.add(point.point_id)
        best = self._best_value
        if value is not None and (best is None or (value > best if is_higher_better(name) else value < best)):
            self._best_value, self.best = value, f"best {name} {value:.4g}"

    def _score(self, point: Point) -> tuple[str, float | None]:
        """Return what ranks a point; a loss, which is no metric of a part, is that of the epoch whose weights were kept."""
        places, metric = self.archive.places(point.point_id), point.config.sweep.metric
        parts = read_json(places.metrics)
        found = {f"{RANKING_PART}{name}": value for name, value in parts.get("validation", {}).items()}
        accuracy, loss = DEFAULT_METRICS
        name = (accuracy if accuracy in found else loss) if metric == AUTOMATIC else metric
        if name in found or not found:
            return name, found.get(name)
        training, history = point.config.training, read_history(places.history)
        rule = Recipe(
            patience=training.patience, monitor=training.monitor, minimum_improvement=training.minimum_improvement
        )
        return name, history[name][kept_epoch(rule, history)] if name in history else None

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
