"""The report of a run: tables and a bar chart, all from its results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plainmlp.figures.canvas import COLOURS, NEUTRAL
from speed.phases import PHASES
from speed.workloads import ALONE, FUSED, JAX, LIMIT, OURS, PLAIN, SKLEARN, TORCH, VMAP

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "## A step of training"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    PLAIN: (PLAIN,),
    "PyTorch eager; fused": (TORCH, FUSED),
    SKLEARN: (SKLEARN,),
    "JAX jit or vmap": (JAX, VMAP),
    "limit": (LIMIT, ALONE),
}
INTRODUCTION = """Training on this package and on others, side by side in one run (`make bench`), float32, measured on
{machine}, with {versions}. Ours is the function that the stage
`train` calls, with all that the pipeline has it record; the others do the same work as their users would write it: a new
order of the samples for each epoch, the loss of each step, loss and accuracy on a validation part after each epoch, the
same optimiser and first weights (scikit-learn draws its own weights, and has no validation loss). The digits are
{digits}. The networks of the stack differ in the spread of their first weights and see the samples in one order,
on JAX as on ours. Each library takes the kernels that suit the processor, whatever `OPENBLAS_CORETYPE` says.

A measurement is the time of about 0.4 s of epochs, without the set-up and the first epoch, divided by its steps;
`first result` is all of a training, from arrays in memory to the end of step 1,000. The systems take turns; the table has
the medians of {rounds} measurements after a warm-up: ours in microseconds a step, the others as multiples of ours, with the
multiple that is asked for. The limit is ours as a multiple of the step's matrix products alone, or for a stack the time
of one network alone as a multiple of that of each in the stack. All times: `benchmarks/results/latest.json`.
"""
NOTE = """Where a step of ours spends its microseconds, with one thread (a stopwatch around each phase adds a little), and what the
third to fifth epochs allocate: at most within one step, which is no array, but what NumPy takes to broadcast, for some
thousand values at a time; what stays after an epoch, which is its entry in the history; and at most altogether, which is
also the order of the samples and the coefficients of many steps.
"""


def section(results: Mapping[str, Any]) -> str:
    """Return the section of docs/performance.md."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    introduction = INTRODUCTION.format(**{**results, "versions": versions})
    parts = [TITLE, "", introduction]
    for threads in sorted({timing["threads"] for timing in results["timings"]}):
        parts += [f"Threads: {threads}.", "", *table(results["timings"], threads), ""]
    parts += ["![times as multiples of ours](images/performance.png)", "", NOTE, *phase_table(results)]
    return "\n".join(parts) + "\n"


def table(timings: Sequence[Mapping[str, Any]], threads: int) -> list[str]:
    """Return the lines of the table for a number of threads: a row a workload."""
    lines = [_row("workload", "ours, µs", *COLUMNS), "|---|" + "--:|" * (len(COLUMNS) + 1)]
    for workload, systems in _by_workload(timings, threads):
        ours = systems[OURS]["microseconds_per_step"]["median"]
        cells = ["; ".join(_cell(systems[name]) for name in names if name in systems) for names in COLUMNS.values()]
        lines.append(_row(workload, f"{ours:,.1f}", *cells))
    return lines


def phase_table(results: Mapping[str, Any]) -> list[str]:
    """Return the lines of the table of phases: a row a workload."""
    lines = [_row("workload", *PHASES, "step, B", "stay, B", "peak, kB"), "|---|" + "--:|" * (len(PHASES) + 3)]
    for workload, phases in results["phases"].items():
        allocation = results["allocation"][workload]
        allocated = [f"{allocation[name]:,}" for name in ("in_a_step", "kept_per_epoch")]
        peak = f"{allocation['peak'] / 1000:,.0f}"
        lines.append(_row(workload, *(f"{phases.get(name, 0):.1f}" for name in PHASES), *allocated, peak))
    return lines


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _by_workload(
    timings: Sequence[Mapping[str, Any]], threads: int
) -> Iterator[tuple[str, dict[str, Mapping[str, Any]]]]:
    """Yield each workload with its systems' entries by name."""
    chosen = [timing for timing in timings if timing["threads"] == threads]
    for workload in dict.fromkeys(timing["workload"] for timing in chosen):
        yield workload, {timing["system"]: timing for timing in chosen if timing["workload"] == workload}


def _cell(timing: Mapping[str, Any]) -> str:
    """Return a ratio with what is asked of it."""
    ratio, required = timing["ratio"], timing["required_ratio"]
    is_limit = timing["system"] == LIMIT
    text = f"{1 / ratio if is_limit else ratio:.2f}x"
    if required is None:
        return text
    asked = f"<= {1 / required:.2f}" if is_limit else f">= {required:g}"
    return f"{text} ({asked})" if timing["holds"] else f"{text} (**missed**: {asked})"


def draw_ratios(timings: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw how many times the time of ours each system takes with one thread, a group of bars a workload."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9), layout="constrained")
    axes = figure.subplots()
    colours = dict(zip((PLAIN, TORCH, SKLEARN, JAX, ALONE, FUSED), COLOURS, strict=True)) | {
        VMAP: COLOURS[3],
        LIMIT: NEUTRAL,
    }
    labels, positions, position = [], [], 0.0
    for workload, systems in _by_workload(timings, 1):
        shown = [system for system in colours if system in systems]
        for system in shown:
            ratio = systems[system]["ratio"]
            axes.barh(position, ratio - 1, left=1, color=colours[system], height=0.9)
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
