"""The report of a run: tables and a bar chart, all from its results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainmlp.evaluation.figures.canvas import COLOURS, NEUTRAL
from speed.workloads import DEFINITION, FUSED, JAX, ONE_CORE, OURS, PLAIN, PROCESSES, SKLEARN, TORCH, VMAP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Entry = Mapping[str, Any]
Entries = Sequence[Entry]
TITLE = "## A step of training"
RATIOS: Mapping[str, tuple[str, ...]] = {
    PLAIN: (PLAIN,),
    "PyTorch eager; fused": (TORCH, FUSED),
    SKLEARN: (SKLEARN,),
    "JAX jit or vmap": (JAX, VMAP),
    ONE_CORE: (ONE_CORE,),
    PROCESSES: (PROCESSES,),
}
TIMES: Mapping[str, tuple[str, ...]] = {"ours, µs": (OURS,), f"{DEFINITION}, µs": (DEFINITION,)}
BARS = {PLAIN: COLOURS[0], TORCH: COLOURS[1], FUSED: COLOURS[4], SKLEARN: COLOURS[2], JAX: COLOURS[3], VMAP: COLOURS[3]}
INTRODUCTION = """Training on this package and on others, side by side in one run (`make bench`), float32, measured on
{machine}, with {versions}. Ours is the function that the stage
`train` calls, compiled, with all that the pipeline has it record; the others do the same work as their users would write
it at its quickest: a new order of the samples for each epoch, the loss of each step, loss and accuracy on a validation part
after each epoch, the same optimiser and initial weights (scikit-learn draws its own weights, and has no validation loss). JAX
compiles a whole epoch into one loop. The digits of 64 pixels are scikit-learn's; those of 784 are {digits}. The 64 networks
differ in the spread of their initial weights: ours are trained one after another, JAX's side by side on the same batches.

A measurement is the time of about 0.4 s of epochs, without the set-up and the first epoch, divided by its steps;
`first result` is all of a training, from arrays in memory to the end of step 1,000, in a process that has trained networks
of other shapes. The systems take turns; the tables have the medians of {rounds} measurements after a warm-up: ours in
microseconds a step, the others as multiples of ours (2.00x: twice as long). All times: `benchmarks/results/latest.json`.
"""
NOTES = {
    1: (
        "One thread. Without Numba the same bits come from plain NumPy (`training.compiled=false`), which says what the "
        "compiled form computes; its epochs have 20 steps at most."
    ),
    2: (
        "Two threads, where a second one has something to do: within one network (`training.threads=2`), or for the 64 "
        "networks two of them at once, each in a thread of one process or in a process of its own."
    ),
}


def section(results: Mapping[str, Any]) -> str:
    """Return the section of docs/performance.md."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [TITLE, "", INTRODUCTION.format(**{**results, "versions": versions})]
    for threads in thread_counts(results["timings"]):
        parts += [NOTES[threads], "", *table(results["timings"], threads), ""]
    return "\n".join([*parts, "![times as multiples of ours](images/performance.png)"]) + "\n"


def thread_counts(timings: Entries) -> list[int]:
    """Return the numbers of threads that there are timings for."""
    return sorted({timing["threads"] for timing in timings})


def table(timings: Entries, threads: int) -> list[str]:
    """Return the lines of the table for a number of threads: a row a workload, a column for what was timed."""
    timed = {timing["system"] for timing in timings if timing["threads"] == threads}
    times, ratios = (_of_systems(columns, timed) for columns in (TIMES, RATIOS))
    lines = [_row("workload", *times, *ratios), "|---|" + "--:|" * (len(times) + len(ratios))]
    for workload, systems in _by_workload(timings, threads):
        cells = [_cell(systems, names, _time) for names in times.values()]
        cells += [_cell(systems, names, _ratio) for names in ratios.values()]
        lines.append(_row(workload, *cells))
    return lines


def _of_systems(columns: Mapping[str, tuple[str, ...]], timed: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the columns that have anything to show."""
    return {title: names for title, names in columns.items() if timed.intersection(names)}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _by_workload(timings: Entries, threads: int) -> Iterator[tuple[str, dict[str, Entry]]]:
    """Yield each workload with its systems' entries by name."""
    chosen = [timing for timing in timings if timing["threads"] == threads]
    for workload in dict.fromkeys(timing["workload"] for timing in chosen):
        yield workload, {timing["system"]: timing for timing in chosen if timing["workload"] == workload}


def _cell(systems: Mapping[str, Entry], names: Sequence[str], shown: Callable[[Entry], str]) -> str:
    return "; ".join(shown(systems[name]) for name in names if name in systems)


def _time(timing: Entry) -> str:
    return f"{timing['microseconds_per_step']['median']:,.1f}"


def _ratio(timing: Entry) -> str:
    return f"{timing['ratio']:.2f}x"


def draw_ratios(timings: Entries) -> "Figure":
    """Draw how many times the time of ours other systems take with one thread, a group of bars a workload."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 12), layout="constrained")
    axes = figure.subplots()
    labels, positions, position = [], [], 0.0
    for workload, systems in _by_workload(timings, 1):
        shown = [system for system in BARS if system in systems]
        for system in shown:
            ratio = systems[system]["ratio"]
            axes.barh(position, ratio - 1, left=1, color=BARS[system], height=0.9)
            axes.text(ratio, position, f" {system} {ratio:.2g}x ", va="center", ha="left" if ratio > 1 else "right")
            position += 1
        positions.append(position - (len(shown) + 1) / 2)
        labels.append(workload.replace(", ", ",\n", 1))
        position += 1
    axes.set(xscale="log", yticks=positions, yticklabels=labels, xlabel="time of a step, as a multiple of ours")
    axes.set_title("A step of training on other systems, one thread each")
    axes.margins(x=0.25, y=0.02)
    axes.invert_yaxis()
    axes.axvline(1, color=NEUTRAL, linewidth=1)
    return figure
