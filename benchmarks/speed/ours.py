"""Ours: the training stage of the pipeline, with everything that the pipeline has it record."""

import time
from dataclasses import replace

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
        config = problem.config
        training = config.training.model_copy(update={"epochs": n_epochs})
        seeds = range(config.seed, config.seed + problem.n_models)
        *others, last = [Task(seed, config.model, config.optimizer, training) for seed in seeds]
        last = replace(last, watchers=[lambda epoch, metrics: stamps.append(time.perf_counter())])
        *_, outcome = train_stack([*others, last], problem.splits)
        assert isinstance(outcome, Fitted)  # noqa: S101  a benchmark of a training that fails says nothing
        return Run(stamps[-1] - stamps[0], _epochs(outcome.trained.history))

    return run


def _epochs(history: dict[str, list[float]]) -> list[Epoch]:
    losses = history["train_loss"]
    accuracies = history.get("validation_accuracy", [float("nan")] * len(losses))
    return list(map(Epoch, losses, history["validation_loss"], accuracies))
