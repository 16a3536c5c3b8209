"""Stage train: from the parts of a data set to a trained model and its history."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
from plainmlp.data.arrays import Splits
from plainmlp.errors import TrainingError
from plainmlp.history import History
from plainmlp.model import Model, Trained
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import Epoch, fit
from plainmlp.numerics import blas_threads
from plainmlp.schema import ModelSection, OptimizerSection, TrainingSection

Watcher = Callable[[int, dict[str, float]], object]


def train(
    splits: Splits,
    seed: int,
    model: ModelSection,
    optimizer: OptimizerSection,
    training: TrainingSection,
    *,
    watchers: Sequence[Watcher] = (),
) -> Trained:
    """Train a network.

    Parameters
    ----------
    splits : Splits
    seed : int
    model : ModelSection
    optimizer : OptimizerSection
    training : TrainingSection
    watchers : sequence of callable (epoch, metrics)
        Called after each epoch, counted from 0, with the metrics that `history` records.

    Returns
    -------
    Trained
        The model with its best parameters where `training.patience` is set, else its last; the history has the
        metrics of `plainmlp.nn.training.Epoch`, a value an epoch.

    Raises
    ------
    InputError
        A setting does not suit the data.
    TrainingError
        The loss became NaN or infinite.
    """
    architecture = build_architecture(splits, model)
    check_monitor(architecture.loss, training)
    network = Network([architecture], draw_parameters(architecture, model, seed, training.dtype)[np.newaxis])
    recipe = build_recipe(seed, model, optimizer, training)
    history: History = {}
    with blas_threads(training.blas_threads):
        for epoch in _epochs(network, recipe, splits, training):
            metrics = {name: float(values[0]) for name, values in epoch.metrics.items()}
            for name, value in metrics.items():
                history.setdefault(name, []).append(value)
            for watch in watchers:
                watch(epoch.number, metrics)
    return Trained(Model(architecture, network.parameters[0], splits.preparation, splits.description), history)


def _epochs(network: Network, recipe: Recipe, splits: Splits, training: TrainingSection) -> Iterator[Epoch]:
    """Yield the epochs of a training that stays finite."""
    rows = replace(splits.train, weights=weigh_samples(splits.train, splits.description, training))
    prepared = partial(build_examples, preparation=splits.preparation, architecture=network.shape, dtype=training.dtype)
    scaling = splits.preparation.target_scaling
    for epoch in fit(
        network,
        [recipe],
        prepared(rows),
        None if splits.validation is None else prepared(splits.validation),
        epochs=training.epochs,
        batch_size=len(splits.train) if training.batch_size == "full" else training.batch_size,
        shuffle=training.shuffle,
        target_scale=None if scaling is None else scaling.scale.astype(training.dtype),
    ):
        for divergence in epoch.diverged:
            message = (
                f"the loss is not finite any more in epoch {divergence.epoch}, step {divergence.step}, with the learning "
                f"rate {divergence.learning_rate:g}; try a smaller optimizer.learning_rate, or optimizer.clip_norm"
            )
            raise TrainingError(message)
        yield epoch
