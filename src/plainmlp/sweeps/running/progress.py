"""The progress of a sweep: points done, failed and left, the time left, and the best so far, under any launcher."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 10.0  # if there is no terminal
MEASURES = ("accuracy", "mean_squared_error")  # of the validation part; the first that a task has is shown


@dataclass(eq=False)
class SweepProgress:
    """How far points are, seen in the archive, where every launcher puts them."""

    point_ids: Sequence[str]
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
        for point_id in self.point_ids:
            if point_id in present and point_id not in self.done:
                self._take_in(point_id)
        self.failed = self.archive.failed() & set(self.point_ids) - self.done

    def _take_in(self, point_id: str) -> None:
        try:
            validation = read_json(self.archive.places(point_id).metrics).get("validation", {})
        except InputError:  # a damaged point is not done: it is trained again
            return
        self.done.add(point_id)
        self._compare(validation)

    def _compare(self, validation: Mapping[str, float]) -> None:
        name = next((name for name in MEASURES if name in validation), None)
        if name is None:
            return
        value, best = validation[name], self._best_value
        if best is None or (value > best if is_higher_better(name) else value < best):
            self._best_value, self.best = value, f"best validation_{name} {value:.4g}"

    def __str__(self) -> str:
        """Return one line."""
        ended = len(self.done) + len(self.failed)
        left = len(self.point_ids) - ended
        line = f"{len(self.done)} done, {len(self.failed)} failed, {left} left"
        lately = ended - self._ended_before
        if lately and left:
            seconds = (time.perf_counter() - self._started) / lately * left
            line += f", {seconds:.0f} s to go"
        return f"{line}  {self.best}".rstrip()


@contextmanager
def show_progress(point_ids: Sequence[str], archive: Archive) -> Iterator[None]:
    """Show the progress of points while the block runs: a bar on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    progress, over = SweepProgress(point_ids, archive), Event()
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
        task = bar.add_task("", total=len(progress.point_ids))
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
