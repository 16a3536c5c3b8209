"""Stage train for one network in the hands of another library, from our first weights and in our order of rows."""

import time
from dataclasses import replace
from functools import partial

import numpy as np

from plainmlp.baselines.backends import check_backend, make_peer
from plainmlp.baselines.peer import Start
from plainmlp.baselines.training import PeerTraining
from plainmlp.construction import (
    build_architecture,
    build_examples,
    build_recipe,
    check_monitor,
    draw_parameters,
    weigh_samples,
)
from plainmlp.data.arrays import Splits
from plainmlp.errors import InputError, TrainingError
from plainmlp.history import History
from plainmlp.model import Model, Trained
from plainmlp.numerics import blas_threads
from plainmlp.schema import TrainingSection
from plainmlp.stages.progress import keep_steps
from plainmlp.stages.stack import Fitted, Outcome, Task, diverged_error


def train_peer(task: Task, splits: Splits) -> Outcome:
    """Train a network with the library that `task.backend` names.

    Parameters
    ----------
    task : Task
        Its checkpoint is not used: what a library remembers between two updates is the library's own.
    splits : Splits

    Returns
    -------
    Fitted or InputError or TrainingError
        The history has the metrics of our own trainings; the digests of the states are empty.
    """
    before = time.perf_counter()
    try:
        with blas_threads(task.training.blas_threads):
            trained = _train(task, splits)
    except (InputError, TrainingError) as error:
        return error
    return Fitted(trained, time.perf_counter() - before)


def _train(task: Task, splits: Splits) -> Trained:
    start = _start(task, splits)
    rows = replace(splits.train, weights=weigh_samples(splits.train, splits.description, task.training))
    check_backend(task.backend, start, weighted=rows.weights is not None)
    training = _training(task.training, start, replace(splits, train=rows), task.backend)
    with np.errstate(all="ignore"):  # a loss that is not finite is found and reported
        history, steps = _histories(training, task)
    model = Model(start.architecture, training.parameters(), splits.preparation, splits.description)
    return Trained(model, history, ("",) * len(history["train_loss"]), steps)


def _start(task: Task, splits: Splits) -> Start:
    architecture = build_architecture(splits, task.model)
    check_monitor(architecture.loss, task.training)
    parameters = draw_parameters(architecture, task.model, task.seed, task.training.dtype)
    recipe = build_recipe(task.seed, task.model, task.optimizer, task.training)
    return Start(architecture, recipe, parameters, task.training.blas_threads)


def _training(training: TrainingSection, start: Start, splits: Splits, backend: str) -> PeerTraining:
    prepared = partial(
        build_examples, preparation=splits.preparation, architecture=start.architecture, dtype=training.dtype
    )
    scaling = splits.preparation.target_scaling
    return PeerTraining(
        make_peer(backend, start),
        start,
        prepared(splits.train),
        None if splits.validation is None else prepared(splits.validation),
        epochs=training.epochs,
        max_steps=training.max_steps,
        batch_size=len(splits.train) if training.batch_size == "full" else training.batch_size,
        shuffle=training.shuffle,
        target_scale=None if scaling is None else scaling.scale.astype(training.dtype),
    )


def _histories(training: PeerTraining, task: Task) -> tuple[History, History]:
    """Train, and return what was measured after each epoch and before the updates that are kept."""
    history: History = {}
    kept: History = {}
    for number, epoch in enumerate(training.run()):
        if epoch.diverged is not None:
            raise diverged_error(epoch.diverged)
        for name, value in epoch.metrics.items():
            history.setdefault(name, []).append(value)
        if task.training.loss_every is not None:
            keep_steps(kept, epoch.steps, task.training.loss_every)
        for watch in task.watchers:
            watch(number, epoch.metrics)
    return history, kept
