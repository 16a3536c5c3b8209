"""Stage train for several networks at once: a stack, in which each network has the bits that it has alone."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np

from plainmlp.construction import (
    build_architecture,
    build_examples,
    build_recipe,
    check_monitor,
    draw_parameters,
    weigh_samples,
)
from plainmlp.data.arrays import Array, Splits
from plainmlp.errors import InputError, TrainingError
from plainmlp.model import Model, Trained
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.epoch import Divergence, Epoch
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import fit
from plainmlp.numerics import blas_threads
from plainmlp.schema import ModelSection, OptimizerSection, TrainingSection
from plainmlp.stages.progress import Checkpoint, Journal, Progress, Watcher


@dataclass(frozen=True)
class Task:
    """What one network of a stack is, and how it is trained.

    Parameters
    ----------
    seed : int
    model : ModelSection
    optimizer : OptimizerSection
    training : TrainingSection
    watchers : sequence of callable (epoch, metrics)
        Called after each epoch, counted from 0, with the metrics that the history records; also for the epochs that a
        checkpoint has already.
    checkpoint : Checkpoint, optional
        What the training goes on from, where it holds anything, and what keeps its progress meanwhile. One that has
        ended well is left to the caller, who clears it once the result is kept.
    backend : str, default "numpy"
        Which library trains it; only ours trains stacks.
    """

    seed: int
    model: ModelSection
    optimizer: OptimizerSection
    training: TrainingSection
    watchers: Sequence[Watcher] = ()
    checkpoint: Checkpoint | None = None
    backend: str = "numpy"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network that was trained, and its share of the seconds that its stack took."""

    trained: Trained
    seconds: float


Outcome = Fitted | InputError | TrainingError


@dataclass(eq=False)
class _Member:
    """A network of the stack, and what is known of its training so far."""

    architecture: Architecture
    recipe: Recipe
    training: TrainingSection
    journal: Journal
    parameters: Array
    failure: InputError | TrainingError | None = None


def train_stack(tasks: Sequence[Task], splits: Splits) -> list[Outcome]:
    """Train networks as one stack.

    Parameters
    ----------
    tasks : sequence of Task
        At least one; of one shape, loss, optimiser and training, early stopping excepted.
    splits : Splits
        The data of all of them.

    Returns
    -------
    list of Fitted or InputError or TrainingError
        For each task what `plainmlp.stages.train.train` returns or raises for it alone. A network that fails does not
        touch the others.
    """
    members = [_member(task, splits) for task in tasks]
    able = [member for member in members if isinstance(member, _Member)]
    for together in _of_one_epoch(able):
        try:
            _fit(together, splits)
        except InputError as error:  # of the settings that all members share
            for member in together:
                member.failure = error
    return [_outcome(member, splits) if isinstance(member, _Member) else member for member in members]


def _member(task: Task, splits: Splits) -> _Member | InputError:
    """Return a network before its training, or why there can be none."""
    try:
        architecture = build_architecture(splits, task.model)
        check_monitor(architecture.loss, task.training)
        start = draw_parameters(architecture, task.model, task.seed, task.training.dtype)
    except InputError as error:
        return error
    recipe = build_recipe(task.seed, task.model, task.optimizer, task.training)
    progress = None if task.checkpoint is None else task.checkpoint.load()
    if progress is None:
        progress = Progress.initial(Snapshot.initial(start, recipe))
    journal = Journal(progress, task.training, task.watchers, task.checkpoint)
    return _Member(architecture, recipe, task.training, journal, start)


def _of_one_epoch(members: Sequence[_Member]) -> Iterator[list[_Member]]:
    """Yield the members that have come equally far, those that have come farthest first."""

    def epochs(member: _Member) -> int:
        return -member.journal.progress.snapshot.epochs

    for _, together in groupby(sorted(members, key=epochs), key=epochs):
        yield list(together)


def _outcome(member: _Member, splits: Splits) -> Outcome:
    if member.failure is not None:
        return member.failure
    progress = member.journal.progress
    model = Model(
        member.architecture, member.parameters, splits.preparation, splits.description, progress.initial_digest
    )
    return Fitted(Trained(model, progress.history, tuple(progress.digests), progress.steps), progress.seconds)


def _fit(members: Sequence[_Member], splits: Splits) -> None:
    """Train networks that have come equally far, and write into each member how that went."""
    snapshots = [member.journal.progress.snapshot for member in members]
    network = Network([member.architecture for member in members], np.stack([s.parameters for s in snapshots]))
    with blas_threads(members[0].training.blas_threads):
        before = time.perf_counter()
        for epoch in _epochs(network, members, snapshots, splits):
            now = time.perf_counter()
            _record(epoch, members, (now - before) / len(epoch.models))
            before = now
    for row, member in enumerate(members):
        member.parameters = network.parameters[row].copy()


def _epochs(
    network: Network, members: Sequence[_Member], snapshots: Sequence[Snapshot], splits: Splits
) -> Iterator[Epoch]:
    training = members[0].training
    rows = replace(splits.train, weights=weigh_samples(splits.train, splits.description, training))
    prepared = partial(build_examples, preparation=splits.preparation, architecture=network.shape, dtype=training.dtype)
    scaling = splits.preparation.target_scaling
    return fit(
        network,
        [member.recipe for member in members],
        prepared(rows),
        None if splits.validation is None else prepared(splits.validation),
        epochs=training.epochs,
        max_steps=training.max_steps,
        batch_size=len(splits.train) if training.batch_size == "full" else training.batch_size,
        shuffle=training.shuffle,
        target_scale=None if scaling is None else scaling.scale.astype(training.dtype),
        resume=snapshots,
    )


def _record(epoch: Epoch, members: Sequence[_Member], seconds: float) -> None:
    """Write an epoch into the members that trained in it."""
    lost = {divergence.model: diverged_error(divergence) for divergence in epoch.diverged}
    for row, model in enumerate(epoch.models):
        member = members[model]
        if model in lost:
            member.failure = lost[model]
            member.journal.fail()
        else:
            metrics = {name: float(values[row]) for name, values in epoch.metrics.items()}
            steps, snapshot = partial(epoch.steps, model), partial(epoch.snapshot, model)
            member.journal.add(metrics, steps, snapshot, seconds, is_last=model not in epoch.remaining)


def diverged_error(divergence: Divergence) -> TrainingError:
    """Return the failure of a network whose loss was not finite."""
    return TrainingError(
        f"the loss is not finite any more in epoch {divergence.epoch}, step {divergence.step}, with the learning "
        f"rate {divergence.learning_rate:g}; try a smaller optimizer.learning_rate, or optimizer.clip_norm"
    )
