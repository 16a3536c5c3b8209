"""What a run prints: a progress bar on a terminal, lines elsewhere, and a table at the end."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

    from plainmlp.config.schema import TrainingSection
    from plainmlp.training.checkpoints import Checkpoints

Watcher = Callable[[int, Mapping[str, float]], None]
Look = Callable[[], tuple[int, str]]  # how many have ended, and a line that says how far all is

LINES = 10  # for a whole training, without a terminal
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 10.0  # if there is no terminal
MAX_LETTERS = 16  # of a column that keeps its width
WIDEST = 200  # of a table that goes to a file
SHOWN = ("train_loss", "validation_loss", "validation_accuracy", "validation_mean_squared_error")


def _console() -> "Console":
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False, emoji=False)  # which :b: in a path would become


def watch_training(epochs: int) -> AbstractContextManager[Watcher]:
    """Show the progress of a training of at most `epochs` epochs; give what to call after each, counted from 0."""
    console = _console()
    return (_bar if console.is_terminal else _lines)(console, epochs)


@contextmanager
def _bar(console: "Console", epochs: int) -> Iterator[Watcher]:
    from rich.progress import TimeRemainingColumn

    with _progress(console, "epoch", TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=epochs)
        yield lambda epoch, metrics: progress.update(task, completed=epoch + 1, description=describe(metrics))


def _progress(console: "Console", word: str, *further: "ProgressColumn") -> "Progress":
    """Return a bar that counts things of a name."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(word), MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    return Progress(*columns, *further, console=console)


@contextmanager
def watch(word: str, total: int, look: Look) -> Iterator[None]:
    """Show how far many things are while the block runs: a bar on a terminal, lines elsewhere.

    A thread looks again and again, the last time when all is over.
    """
    console, over = _console(), Event()
    show = _watch_bar if console.is_terminal else _watch_lines
    thread = Thread(target=show, args=(console, word, total, look, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch_bar(console: "Console", word: str, total: int, look: Look, over: Event) -> None:
    with _progress(console, word) as bar:
        task = bar.add_task("", total=total)
        for n_ended, line in _looks(look, over, SECONDS_BETWEEN_LOOKS):
            bar.update(task, completed=n_ended, description=line)


def _watch_lines(console: "Console", word: str, total: int, look: Look, over: Event) -> None:
    for _, line in _looks(look, over, SECONDS_BETWEEN_LINES):
        console.print(line, markup=False)


def _looks(look: Look, over: Event, seconds: float) -> Iterator[tuple[int, str]]:
    is_over = False
    while not is_over:
        is_over = over.wait(seconds)
        yield look()


@contextmanager
def _lines(console: "Console", epochs: int) -> Iterator[Watcher]:
    """Print about ten lines in all, always including one for the last epoch, even if it comes early."""
    every = max(1, epochs // LINES)
    start = time.perf_counter()
    unshown: list[tuple[int, Mapping[str, float]]] = []

    def show() -> None:
        epoch, metrics = unshown.pop()
        seconds = time.perf_counter() - start
        left = seconds / (epoch + 1) * (epochs - epoch - 1)
        console.print(f"epoch {epoch + 1}/{epochs}  {describe(metrics)}  {seconds:.1f} s, {left:.1f} s left")

    def watch(epoch: int, metrics: Mapping[str, float]) -> None:
        unshown[:] = [(epoch, metrics)]
        if (epoch + 1) % every == 0 or epoch + 1 == epochs:
            show()

    yield watch
    if unshown:
        show()


def show_resumption(checkpoints: "Checkpoints", training: "TrainingSection") -> bool:
    """Say after which epoch a training continues, if there is a checkpoint of it; return whether there is."""
    kept = checkpoints.load()
    if kept is None or kept.loss_every != training.loss_every:
        return False
    show_line(f"continues from a checkpoint after epoch {kept.snapshot.epochs} of {training.epochs}")
    return True


def describe(metrics: Mapping[str, float]) -> str:
    """Return the metrics that matter while waiting, in one line.

    Examples
    --------
    >>> describe({"train_loss": 0.25, "gradient_norm": 1.0, "validation_loss": 0.5})
    'train_loss 0.25  validation_loss 0.5'
    """
    return "  ".join(f"{name} {metrics[name]:.4g}" for name in SHOWN if name in metrics)


def show_metrics(metrics: Mapping[str, Mapping[str, float]], intervals: Mapping[str, tuple[float, float]]) -> None:
    """Print a table of every metric of every part, with the intervals of the test part."""
    from rich.table import Table

    table = Table("metric", *metrics, "test, 95 % interval", box=None, pad_edge=False)
    for name in metrics["test"]:
        values = (_short(part[name]) for part in metrics.values())
        ends = " to ".join(map(_short, intervals[name])) if name in intervals else "none"
        table.add_row(name, *values, ends)
    _console().print(table, soft_wrap=False)
    if metrics["test"].keys() - intervals.keys():
        show_line("no interval: all resamples of the test part agree, or are too large to be ranked")


def _short(value: float) -> str:
    """Return a number in at most nine characters, so that the table fits into 80 columns."""
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.2e}"


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table that wraps its heads, and not its values, if there is little room."""
    from rich.table import Table
    from rich.text import Text

    table, console = Table(box=None, pad_edge=False), _console()
    for head, values in zip(heads, zip(*rows, strict=True), strict=True):
        table.add_column(head, min_width=min(MAX_LETTERS, max(map(len, values))), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    if not console.is_terminal:
        console.width = WIDEST
    console.print(table, soft_wrap=False)


def show_steps(steps: Mapping[str, Sequence[float]]) -> None:
    """Print the first and the last of the steps that `read_steps` returned, if there are any."""
    rows = [dict(zip(steps, row, strict=True)) for row in zip(*steps.values(), strict=True)]
    for row in [rows[0], rows[-1]] if rows else []:
        found = "  ".join(f"{name} {value:.7g}" for name, value in row.items() if name != "step")
        _console().print(f"batch of step {int(row['step'])}: {found}")


def show_dead_units(share: float) -> None:
    """Print the share of dead units, among those that can die, in the last epoch, if there are any."""
    if share:
        _console().print(f"dead units: {share:.1%} of those that can die")


def show_line(text: str) -> None:
    """Print a line unchanged."""
    _console().print(text, markup=False)


def show_warning(text: str) -> None:
    """Print a line that asks for attention."""
    _console().print(f"warning: {text}", style="yellow", markup=False)


def show_places(places: Mapping[str, object]) -> None:
    """Print where results are, one in a line."""
    console = _console()
    width = max(len(name) for name in places)
    for name, place in places.items():
        console.print(f"{name:<{width}}  {place}", markup=False)
