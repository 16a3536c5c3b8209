"""Stacks: points that are trained together, each with the bits that it has alone."""

import time
from collections.abc import Iterator, Sequence
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
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import Divergence, Epoch, fit
from plainmlp.numerics import blas_threads
from plainmlp.schema import TrainingSection
from plainmlp.sweeps.points import Point


@dataclass(frozen=True, eq=False)
class Fitted:
    """A point that was trained, and its share of the seconds that its stack took."""

    trained: Trained
    seconds: float


Outcome = Fitted | InputError | TrainingError


@dataclass(eq=False)
class _Member:
    """A network of the stack, and what is known of its training so far."""

    point: Point
    architecture: Architecture
    start: Array
    recipe: Recipe
    history: History = field(default_factory=dict)
    seconds: float = 0.0
    failure: TrainingError | None = None


def train_stack(points: Sequence[Point], splits: Splits) -> list[tuple[Point, Outcome]]:
    """Train points as one stack.

    Parameters
    ----------
    points : sequence of Point
        Of one group, as `plainmlp.sweeps.grouping.group` makes them.
    splits : Splits
        The data of all of them.

    Returns
    -------
    list of (Point, Fitted or InputError or TrainingError)
        Each point with what `plainmlp.stages.train.train` returns or raises for it alone, the weights bit for bit. A
        point that fails does not touch the others.
    """
    members: list[_Member] = []
    outcomes: list[tuple[Point, Outcome]] = []
    for point in points:
        try:
            members.append(_member(point, splits))
        except InputError as error:
            outcomes.append((point, error))
    return outcomes + (_trained(members, splits) if members else [])


def _member(point: Point, splits: Splits) -> _Member:
    """Return the network of a point before its training."""
    config = point.config
    architecture = build_architecture(splits, config.model)
    check_monitor(architecture.loss, config.training)
    start = draw_parameters(architecture, config.model, config.seed, config.training.dtype)
    recipe = build_recipe(config.seed, config.model, config.optimizer, config.training)
    return _Member(point, architecture, start, recipe)


def _trained(members: Sequence[_Member], splits: Splits) -> list[tuple[Point, Outcome]]:
    network = Network([member.architecture for member in members], np.stack([member.start for member in members]))
    try:
        _fit(network, members, splits)
    except InputError as error:  # of the settings that all members share
        return [(member.point, error) for member in members]
    return [(member.point, _outcome(member, network.parameters[row], splits)) for row, member in enumerate(members)]


def _outcome(member: _Member, parameters: Array, splits: Splits) -> Outcome:
    if member.failure is not None:
        return member.failure
    model = Model(member.architecture, parameters.copy(), splits.preparation, splits.description)
    return Fitted(Trained(model, member.history), member.seconds)


def _fit(network: Network, members: Sequence[_Member], splits: Splits) -> None:
    """Train the networks of the stack and write into each member how that went."""
    training = members[0].point.config.training
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
    for model in epoch.models:
        members[model].seconds += seconds
    for name, values in epoch.metrics.items():
        for model, value in zip(epoch.models, values.tolist(), strict=True):
            members[model].history.setdefault(name, []).append(value)
    for divergence in epoch.diverged:
        members[divergence.model].failure = TrainingError(_describe(divergence))


def _describe(divergence: Divergence) -> str:
    return (
        f"the loss is not finite any more in epoch {divergence.epoch}, step {divergence.step}, with the learning "
        f"rate {divergence.learning_rate:g}; try a smaller optimizer.learning_rate, or optimizer.clip_norm"
    )
