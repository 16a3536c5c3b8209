"""Stage train for several networks at once: a stack, in which each network has the bits that it has alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

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
from plainmlp.history import History
from plainmlp.model import Model, Trained
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.epoch import Divergence, Epoch
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import fit
from plainmlp.numerics import blas_threads
from plainmlp.schema import ModelSection, OptimizerSection, TrainingSection

Watcher = Callable[[int, dict[str, float]], object]


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
        Called after each epoch, counted from 0, with the metrics that the history records.
    """

    seed: int
    model: ModelSection
    optimizer: OptimizerSection
    training: TrainingSection
    watchers: Sequence[Watcher] = ()


@dataclass(frozen=True, eq=False)
class Fitted:
    """A network that was trained, and its share of the seconds that its stack took."""

    trained: Trained
    seconds: float


Outcome = Fitted | InputError | TrainingError


@dataclass(eq=False)
class _Member:
    """A network of the stack, and what is known of its training so far."""

    task: Task
    architecture: Architecture
    start: Array
    recipe: Recipe
    history: History = field(default_factory=dict)
    seconds: float = 0.0
    failure: TrainingError | None = None


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
    outcomes = iter(_trained(able, splits) if able else [])
    return [next(outcomes) if isinstance(member, _Member) else member for member in members]


def _member(task: Task, splits: Splits) -> _Member | InputError:
    """Return a network before its training, or why there can be none."""
    try:
        architecture = build_architecture(splits, task.model)
        check_monitor(architecture.loss, task.training)
        start = draw_parameters(architecture, task.model, task.seed, task.training.dtype)
    except InputError as error:
        return error
    return _Member(task, architecture, start, build_recipe(task.seed, task.model, task.optimizer, task.training))


def _trained(members: Sequence[_Member], splits: Splits) -> list[Outcome]:
    network = Network([member.architecture for member in members], np.stack([member.start for member in members]))
    try:
        _fit(network, members, splits)
    except InputError as error:  # of the settings that all members share
        return [error for _ in members]
    return [_outcome(member, network.parameters[row], splits) for row, member in enumerate(members)]


def _outcome(member: _Member, parameters: Array, splits: Splits) -> Outcome:
    if member.failure is not None:
        return member.failure
    model = Model(member.architecture, parameters.copy(), splits.preparation, splits.description)
    return Fitted(Trained(model, member.history), member.seconds)


def _fit(network: Network, members: Sequence[_Member], splits: Splits) -> None:
    """Train the networks of the stack and write into each member how that went."""
    training = members[0].task.training
    with blas_threads(training.blas_threads):
        before = time.perf_counter()
        for epoch in _epochs(network, [member.recipe for member in members], splits, training):
            now = time.perf_counter()
            _record(epoch, members, (now - before) / len(epoch.models))
            before = now


def _epochs(network: Network, recipes: Sequence[Recipe], splits: Splits, training: TrainingSection) -> Iterator[Epoch]:
    rows = replace(splits.train, weights=weigh_samples(splits.train, splits.description, training))
    prepared = partial(build_examples, preparation=splits.preparation, architecture=network.shape, dtype=training.dtype)
    scaling = splits.preparation.target_scaling
    return fit(
        network,
        recipes,
        prepared(rows),
        None if splits.validation is None else prepared(splits.validation),
        epochs=training.epochs,
        batch_size=len(splits.train) if training.batch_size == "full" else training.batch_size,
        shuffle=training.shuffle,
        target_scale=None if scaling is None else scaling.scale.astype(training.dtype),
    )


def _record(epoch: Epoch, members: Sequence[_Member], seconds: float) -> None:
    """Write an epoch into the members that trained in it."""
    lost = {divergence.model: _failure(divergence) for divergence in epoch.diverged}
    for row, model in enumerate(epoch.models):
        member = members[model]
        member.seconds += seconds
        member.failure = lost.get(model)
        if member.failure is None:
            _note(member, epoch.number, {name: float(values[row]) for name, values in epoch.metrics.items()})


def _note(member: _Member, epoch: int, metrics: dict[str, float]) -> None:
    """Add an epoch to a member's history and tell it whoever watches."""
    for name, value in metrics.items():
        member.history.setdefault(name, []).append(value)
    for watch in member.task.watchers:
        watch(epoch, metrics)


def _failure(divergence: Divergence) -> TrainingError:
    return TrainingError(
        f"the loss is not finite any more in epoch {divergence.epoch}, step {divergence.step}, with the learning "
        f"rate {divergence.learning_rate:g}; try a smaller optimizer.learning_rate, or optimizer.clip_norm"
    )
