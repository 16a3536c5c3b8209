"""Ours: the training stage of the pipeline, with everything that the pipeline has it record."""

import time
from collections.abc import Callable
from dataclasses import replace

from plainmlp.history import History
from plainmlp.stages.stack import Fitted, Task, train_stack
from plainmlp.stages.train import train
from speed.problem import Epoch, Problem, Run, Runner


def alone(problem: Problem) -> Runner:
    """Return a runner that trains one network by the function that the stage `train` is."""

    def run(n_epochs: int) -> Run:
        stamps: list[float] = []
        config = problem.config
        training = config.training.model_copy(update={"epochs": n_epochs})
        watchers = [lambda epoch, metrics: stamps.append(time.perf_counter())]
        trained = train(problem.splits, config.seed, config.model, config.optimizer, training, watchers=watchers)
        return Run(stamps[-1] - stamps[0], _epochs(trained.history))

    return run


def stacked(problem: Problem) -> Runner:
    """Return a runner that trains the networks of a problem as one stack; the epochs are those of the last."""

    def run(n_epochs: int) -> Run:
        stamps: list[float] = []
        history = train_stacked(problem, n_epochs, lambda epoch: stamps.append(time.perf_counter()))
        return Run(stamps[-1] - stamps[0], _epochs(history))

    return run


def train_stacked(problem: Problem, n_epochs: int, watch: Callable[[int], object]) -> History:
    """Train the networks of a problem as one stack.

    Parameters
    ----------
    problem : Problem
    n_epochs : int
    watch : callable (epoch)
        Called after each epoch.

    Returns
    -------
    History
        Of the last network.
    """
    config = problem.config
    training = config.training.model_copy(update={"epochs": n_epochs})
    sections = map(problem.model_section, range(problem.n_models))
    *others, last = [Task(config.seed, section, config.optimizer, training) for section in sections]
    last = replace(last, watchers=[lambda epoch, metrics: watch(epoch)])
    *_, outcome = train_stack([*others, last], problem.splits)
    assert isinstance(outcome, Fitted)  # noqa: S101  a benchmark of a training that fails says nothing
    return outcome.trained.history


def _epochs(history: History) -> list[Epoch]:
    losses = history["train_loss"]
    accuracies = history.get("validation_accuracy", [float("nan")] * len(losses))
    return list(map(Epoch, losses, history["validation_loss"], accuracies))
