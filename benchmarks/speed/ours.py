"""Ours: the training stage of the pipeline, with everything that the pipeline has it record."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Any

from plainmlp.training.checkpoints import Watcher
from plainmlp.training.train import train
from speed.problem import Epoch, Problem, Run, Runner

AT_ONCE = 2
CHUNK = 8  # networks that a process is given at once


def alone(problem: Problem) -> Runner:
    """Return a runner that trains one network by the function that the stage `train` is."""

    def run(n_epochs: int) -> Run:
        stamps: list[float] = []
        epochs = _train(problem, n_epochs, watchers=[lambda epoch, metrics: stamps.append(time.perf_counter())])
        return Run(stamps[-1] - stamps[0], epochs)

    return run


def in_plain_numpy(problem: Problem) -> Runner:
    """Return a runner of the same training without Numba."""
    return alone(_with(problem, compiled=False))


def on_one_core(problem: Problem) -> Runner:
    """Return a runner of the same training on one core, whatever number of threads is given."""
    return alone(_with(problem, threads=1))


def one_after_another(problem: Problem) -> Runner:
    """Return a runner that trains all networks of a problem on one core; the epochs are those of the last."""
    return _all_networks(problem, map)


def in_two_threads(problem: Problem) -> Runner:
    """Return a runner that trains the networks of a problem two at once, in threads of this process."""
    return _all_networks(problem, ThreadPoolExecutor(AT_ONCE).map)


def in_two_processes(problem: Problem) -> Runner:
    """Return a runner that trains the networks of a problem two at once, in processes that stay from run to run."""
    executor = ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn"))
    return _all_networks(problem, partial(executor.map, chunksize=CHUNK))


def _all_networks(problem: Problem, mapped: Callable[..., Iterable[list[Epoch]]]) -> Runner:
    """Return a runner of all networks, each on one core.

    Two at once do not come to the end of their first epochs together: the seconds are those of a training of all epochs
    less those of one of a single epoch.
    """
    given = _with(problem, threads=1)

    def timed(n_epochs: int) -> tuple[float, list[Epoch]]:
        start = time.perf_counter()
        *_, last = mapped(partial(_train, given, n_epochs), range(problem.n_models))
        return time.perf_counter() - start, last

    def run(n_epochs: int) -> Run:
        short, _ = timed(1)
        seconds, epochs = timed(n_epochs)
        return Run(seconds - short, epochs)

    return run


def _with(problem: Problem, **settings: Any) -> Problem:
    """Return a problem with other settings of its training."""
    training = problem.config.training.model_copy(update=settings)
    return replace(problem, config=problem.config.model_copy(update={"training": training}))


def _train(problem: Problem, n_epochs: int, model: int = 0, watchers: Iterable[Watcher] = ()) -> list[Epoch]:
    """Train one of a problem's networks and return its epochs."""
    config = problem.config
    training = config.training.model_copy(update={"epochs": n_epochs})
    section = problem.model_section(model)
    trained = train(problem.splits, config.seed, section, config.optimizer, training, watchers=list(watchers))
    losses = trained.history["train_loss"]
    accuracies = trained.history.get("validation_accuracy", [float("nan")] * len(losses))
    return list(map(Epoch, losses, trained.history["validation_loss"], accuracies))
