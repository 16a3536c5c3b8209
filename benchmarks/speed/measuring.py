"""Measuring: systems take turns in one process, and each number of threads and each workload has a process of its own."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from speed.allocations import allocation
from speed.phases import phase_microseconds
from speed.problem import Runner
from speed.workloads import OURS, WORKLOADS, Workload

SECONDS = 0.4  # that a measurement is made long enough for
MOST_EPOCHS = 2000
FIRST_RESULT_EPOCHS = 10
Timings = dict[str, list[float]]


def environment(threads: int) -> dict[str, str]:
    """Return the variables that give the libraries of a process a number of threads, set before it starts."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    eigen = str(threads > 1).lower()
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags}


def measure(name: str, threads: int, rounds: int) -> dict[str, Any]:
    """Time a workload on all its systems.

    Parameters
    ----------
    name : str
        A name in WORKLOADS.
    threads : int
        Of BLAS and within an operation; the process began with `environment(threads)`.
    rounds : int
        How often each system is measured, after it has warmed up.

    Returns
    -------
    dict
        `timings`, an entry a system, and for one thread `phases` and `allocation` of ours.
    """
    import torch

    torch.set_num_threads(threads)
    workload = WORKLOADS[name]
    given = f"training.blas_threads={threads}"
    seconds = first_results(workload, given, rounds) if workload.first_result else steps(workload, given, rounds)
    measured: dict[str, Any] = {"timings": summarize(name, threads, seconds)}
    if threads > 1 or workload.first_result:
        return measured
    problem = workload.problem(given)
    epochs = max(2, round(SECONDS / (median(seconds[OURS]) * problem.steps * problem.n_models)))
    phases = [phase_microseconds(problem, epochs) for _ in range(3)]
    return measured | {
        "phases": min(phases, key=lambda phase: sum(phase.values())),
        "allocation": allocation(problem)._asdict(),
    }


def steps(workload: Workload, given: str, rounds: int) -> Timings:
    """Return for each system the seconds of a step, and of one network, of each round."""
    problem = workload.problem(given)
    runners = {name: prepare(problem) for name, prepare in workload.systems.items()}
    epochs = {name: _enough_epochs(runner) for name, runner in runners.items()}

    def measured(name: str) -> float:
        n_steps = (epochs[name] - 1) * problem.steps * workload.networks(name)
        return runners[name](epochs[name]).seconds / n_steps

    return take_turns(list(runners), measured, rounds)


def _enough_epochs(runner: Runner) -> int:
    """Return how many epochs, the first not counted, take long enough; the system warms up meanwhile."""
    per_epoch = runner(3).seconds / 2
    return 1 + max(2, min(MOST_EPOCHS, round(SECONDS / per_epoch)))


def first_results(workload: Workload, given: str, rounds: int) -> Timings:
    """Return for each system the seconds of a step where a network of a new shape is built and trained, by round."""
    shapes: dict[str, int] = dict.fromkeys(workload.systems, 4)  # units of the hidden layer

    def measured(name: str) -> float:
        shapes[name] += 1
        problem = workload.problem(given, f"model.hidden_sizes=[{shapes[name]}]")
        problem.prepare()
        start = time.perf_counter()
        workload.systems[name](problem)(FIRST_RESULT_EPOCHS)
        return (time.perf_counter() - start) / (FIRST_RESULT_EPOCHS * problem.steps)

    take_turns(list(workload.systems), measured, 1)
    return take_turns(list(workload.systems), measured, rounds)


def take_turns(names: Sequence[str], measured: Callable[[str], float], rounds: int) -> Timings:
    """Measure each system once a round; each round begins with another one."""
    found: Timings = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            found[name].append(measured(name))
    return found


def summarize(workload: str, threads: int, seconds: Timings) -> list[dict[str, Any]]:
    """Return an entry of the results for each system; a ratio is that of its median to the one of ours."""
    required = WORKLOADS[workload].required
    entries = []
    for name, values in seconds.items():
        ratio = median(values) / median(seconds[OURS])
        least = required.get(name)
        figures = {"median": median(values), "min": min(values), "max": max(values)}
        entries.append(
            {
                "workload": workload,
                "system": name,
                "threads": threads,
                "microseconds_per_step": {figure: round(1e6 * value, 3) for figure, value in figures.items()},
                "ratio": round(ratio, 3),
                "required_ratio": least,
                "holds": None if least is None else ratio >= least,
            }
        )
    return entries
