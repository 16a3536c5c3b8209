"""Stage train: from the parts of a data set to a trained model, its history and their files."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from plainmlp.config.places import Places
from plainmlp.config.schema import Config, ModelSection, OptimizerSection, TrainingSection
from plainmlp.data.splits import Splits
from plainmlp.nn.arithmetic import Array, keeps_subnormals
from plainmlp.nn.descent import Descent, Start
from plainmlp.nn.forms import Compiled, start_descent
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import Training
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.system.wording import shown
from plainmlp.training.backends.table import OWN_BACKEND, BackendDescent, check_backend, make_network
from plainmlp.training.checkpoints import Checkpoints, TrainingLog, Watcher, resume
from plainmlp.training.construction import (
    build_architecture,
    build_examples,
    build_recipe,
    check_monitor,
    draw_parameters,
    weigh_samples,
)
from plainmlp.training.history import write_history, write_steps
from plainmlp.training.memory import check_memory
from plainmlp.training.model import Model, Trained


def train(
    splits: Splits,
    seed: int,
    model: ModelSection,
    optimizer: OptimizerSection,
    training: TrainingSection,
    *,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoints | None = None,
    backend: str = OWN_BACKEND,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    watchers : sequence of callable (epoch, metrics)
        Called after each epoch, counted from 0, with the metrics that `history` records; also for the epochs in the
        checkpoint.
    checkpoint : Checkpoints, optional
        The training continues from it, if it holds anything, and writes its progress to it. Once the result is stored,
        the caller clears it.
    backend : str, default "numpy"
        Which library trains; the others keep no checkpoints and no digests of their states.

    Returns
    -------
    Trained
        The model with its best parameters if `training.patience` is set, else with its last; the history has a value
        for each epoch of each metric of `plainmlp.nn.training.Epoch`, the steps a value for each
        `training.loss_every`-th update.

    Raises
    ------
    InputError
        A setting does not suit the data.
    TrainingError
        The loss became NaN or infinite.
    """
    architecture = build_architecture(splits, model)
    check_monitor(architecture.loss, training)
    check_memory(splits, architecture, optimizer.name, training)
    recipe = build_recipe(seed, model, optimizer, training)
    parameters = draw_parameters(architecture, model, seed, training.dtype)
    start = Start(architecture, recipe, parameters, (), _target_scale(splits, training.dtype), training.threads)
    weights = weigh_samples(splits.train, splits.description, training)
    is_own = backend == OWN_BACKEND
    progress = resume(checkpoint if is_own else None, Snapshot.initial(parameters, recipe), training)
    log = TrainingLog(progress, training, watchers, checkpoint if is_own else None, digests=is_own)
    if not is_own:
        check_backend(backend, start, weighted=weights is not None)
    descent = _start_descent(backend, start, progress.snapshot, training.compiled)
    prepared = partial(build_examples, preparation=splits.preparation, architecture=architecture, dtype=training.dtype)
    run = Training(
        descent,
        architecture,
        recipe,
        prepared(replace(splits.train, weights=weights)),
        None if splits.validation is None else prepared(splits.validation),
        progress.snapshot,
        epochs=training.epochs,
        max_steps=training.max_steps,
        stop_after=training.stop_after,
        batch_size=len(splits.train) if training.batch_size == "full" else training.batch_size,
        shuffle=training.shuffle,
    )
    _run(run, log)
    initial_digest = progress.initial_digest if is_own else ""
    trained = Model(architecture, descent.parameters.copy(), splits.preparation, splits.description, initial_digest)
    return Trained(trained, progress.history, tuple(progress.digests), progress.steps, progress.seconds)


def train_configured(
    config: Config, splits: Splits, *, watchers: Sequence[Watcher] = (), checkpoint: Checkpoints | None = None
) -> Trained:
    """Train the network of a configuration, see `train`."""
    return train(
        splits,
        config.seed,
        config.model,
        config.optimizer,
        config.training,
        watchers=watchers,
        checkpoint=checkpoint,
        backend=config.backend.name,
    )


def train_and_write(
    config: Config,
    splits: Splits,
    places: Places,
    *,
    watchers: Sequence[Watcher] = (),
    checkpoint: Checkpoints | None = None,
) -> Trained:
    """Train the network of a configuration; write the model, its history and its steps."""
    trained = train_configured(config, splits, watchers=watchers, checkpoint=checkpoint)
    trained.model.save(places.model)
    write_history(places.history, trained.history, trained.digests)
    write_steps(places.steps, trained.steps)
    return trained


def _target_scale(splits: Splits, dtype: str) -> Array | None:
    scaling = splits.preparation.target_scaling
    if scaling is None:
        return None
    with np.errstate(over="ignore"):
        scale = scaling.scale.astype(dtype)
    for name, number, is_finite in zip(splits.description.target_names, scaling.scale, np.isfinite(scale), strict=True):
        if not is_finite:
            message = (
                f"the target {shown(name)} varies by about {number:g}, which {dtype} cannot hold; allowed: up to "
                f"{np.finfo(dtype).max:.1e}, or training.dtype=float64"
            )
            raise InputError(message)
    return scale


def _start_descent(backend: str, start: Start, snapshot: Snapshot, compiled: Compiled) -> Descent:
    try:
        own = start_descent(compiled, start._replace(parameters=snapshot.parameters, slots=snapshot.slots))
    except ImportError as error:
        message = f"training.compiled=true is not possible: {error}; allowed here: auto, false"
        raise InputError(message) from None
    if backend == OWN_BACKEND:
        _check_subnormals()
        return own
    return BackendDescent(make_network(backend, start), own, start)


def _check_subnormals() -> None:
    """Refuse a process that turns subnormal numbers into zeros: its results would differ from others'."""
    if not keeps_subnormals():
        message = (
            "this process turns numbers below 1e-38 into zeros, which changes results: it has loaded a library that "
            "switches this on (one built with -ffast-math); train without that library"
        )
        raise InputError(message)


def _run(training: Training, log: TrainingLog) -> None:
    """Train to the end, and let the log take in each epoch."""
    before = time.perf_counter()
    for epoch in training.run():
        if epoch.diverged is not None:
            log.fail()
            message = (
                f"the loss is not finite in epoch {epoch.diverged.epoch}, step {epoch.diverged.step}, with the "
                f"learning rate {epoch.diverged.learning_rate:g}; try a smaller optimizer.learning_rate, or "
                "optimizer.clip_norm"
            )
            raise TrainingError(message)
        now = time.perf_counter()
        log.add(epoch, now - before)
        before = now
