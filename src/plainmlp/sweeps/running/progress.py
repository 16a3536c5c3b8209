"""How a sweep goes on: points done, failed and left, the time left, and the best so far, under any launcher."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING

from plainmlp.sweeps.running.archive import Archive
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json

if TYPE_CHECKING:
    from rich.console import Console

LOOKS_EVERY = 0.5  # seconds
SPEAKS_EVERY = 10.0  # seconds, where there is no terminal
# of the validation part; the first that a task has, and whether more of it is better
MEASURES = {"accuracy": True, "mean_squared_error": False}


@dataclass(eq=False)
class Progress:
    """What has become of some points, seen in the archive, where every launcher puts them.

    Parameters
    ----------
    point_ids : sequence of str
    archive : Archive
    """

    point_ids: Sequence[str]
    archive: Archive
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    best: str = ""
    _started: float = field(default_factory=time.perf_counter)
    _ended_before: int = 0
    _best_value: float | None = None

    def __post_init__(self) -> None:
        """Take in what was there before, of which nothing follows for the time left."""
        self.look()
        self._ended_before = len(self.done)

    def look(self) -> None:
        """Take in the points that have come to an end since the last look."""
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
        for name, more_is_better in MEASURES.items():
            if name in validation:
                value = validation[name]
                best = self._best_value
                if best is None or (value > best if more_is_better else value < best):
                    self._best_value, self.best = value, f"best validation_{name} {value:.4g}"
                return

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
    """Show how points come to their end while the block runs: a bar on a terminal, lines elsewhere.

    Parameters
    ----------
    point_ids : sequence of str
    archive : Archive
    """
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    progress, over = Progress(point_ids, archive), Event()
    watch = _watch_bar if console.is_terminal else _watch_lines
    thread = Thread(target=watch, args=(console, progress, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch_bar(console: "Console", progress: Progress, over: Event) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("points"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("", total=len(progress.point_ids))
        while True:
            last = over.wait(LOOKS_EVERY)
            progress.look()
            bar.update(task, completed=len(progress.done) + len(progress.failed), description=str(progress))
            if last:
                return


def _watch_lines(console: "Console", progress: Progress, over: Event) -> None:
    while True:
        last = over.wait(SPEAKS_EVERY)
        progress.look()
        console.print(str(progress), markup=False)
        if last:
            return
