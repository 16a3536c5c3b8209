"""Measuring: systems take turns in one process, and each number of threads and each workload has a process of its own."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from speed.problem import Runner
from speed.workloads import DEFINITION, OURS, WORKLOADS, Workload

SECONDS = 0.4  # that a measurement is made long enough for
FEW_STEPS = 20  # in an epoch, of what is slow
MAX_EPOCHS = 2000
FIRST_RESULT_EPOCHS = 10
# what would have a library take other kernels than those that suit the processor
KERNELS = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT")
Timings = dict[str, list[float]]


def environment(threads: int) -> dict[str, str]:
    """Return the variables that give the libraries of a process a number of threads, set before it starts."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
    eigen = str(threads > 1).lower()
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": flags}


def measure(name: str, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Time a workload on all systems that it has for a number of threads.

    Parameters
    ----------
    name : str
        A name in WORKLOADS.
    threads : int
        Within an operation; the process began with `environment(threads)`.
    rounds : int
        How often each system is measured, after it has warmed up.

    Returns
    -------
    list of dict
        An entry a system.
    """
    import torch

    torch.set_num_threads(threads)
    workload = WORKLOADS[name]
    given = (f"training.threads={threads}", "training.compiled=true")
    timed = first_results if workload.first_result else steps
    return summarize(name, threads, timed(workload, threads, given, rounds))


def steps(workload: Workload, threads: int, given: Sequence[str], rounds: int) -> Timings:
    """Return for each system the seconds of a step, and of one network, of each round."""
    systems, problem = workload.systems_with(threads), workload.problem(*given)
    problems = {name: problem.shortened(FEW_STEPS) if name == DEFINITION else problem for name in systems}
    runners = {name: prepare(problems[name]) for name, prepare in systems.items()}
    epochs = {name: enough_epochs(runner) for name, runner in runners.items()}

    def measured(name: str) -> float:
        n_steps = (epochs[name] - 1) * problems[name].steps * problem.n_models
        return runners[name](epochs[name]).seconds / n_steps

    return take_turns(list(runners), measured, rounds)


def enough_epochs(runner: Runner) -> int:
    """Return how many epochs, the first not counted, take long enough; the system warms up meanwhile."""
    epochs = 3
    while (seconds := runner(epochs).seconds) < SECONDS / 4 and epochs < MAX_EPOCHS:
        epochs *= 4
    per_epoch = max(seconds / (epochs - 1), SECONDS / MAX_EPOCHS)
    return 1 + max(2, round(SECONDS / per_epoch))


def first_results(workload: Workload, threads: int, given: Sequence[str], rounds: int) -> Timings:
    """Return for each system the seconds of a step where a network of a new shape is built and trained, by round."""
    systems = workload.systems_with(threads)
    shapes: dict[str, int] = dict.fromkeys(systems, 4)  # units of the hidden layer

    def measured(name: str) -> float:
        shapes[name] += 1
        problem = workload.problem(*given, f"model.hidden_sizes=[{shapes[name]}]")
        problem.prepare()
        start = time.perf_counter()
        systems[name](problem)(FIRST_RESULT_EPOCHS)
        return (time.perf_counter() - start) / (FIRST_RESULT_EPOCHS * problem.steps)

    take_turns(list(systems), measured, 1)
    return take_turns(list(systems), measured, rounds)


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
    entries = []
    for name, values in seconds.items():
        figures = {"median": median(values), "min": min(values), "max": max(values)}
        entries.append(
            {
                "workload": workload,
                "system": name,
                "threads": threads,
                "microseconds_per_step": {figure: round(1e6 * value, 3) for figure, value in figures.items()},
                "ratio": round(median(values) / median(seconds[OURS]), 3),
            }
        )
    return entries
