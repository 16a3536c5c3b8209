"""Training: gradient descent on a stack of networks, an epoch at a time."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.batches import Batches, Examples, limit_epochs
from plainmlp.nn.descent import Descent, Run
from plainmlp.nn.early_stopping import EarlyStopping
from plainmlp.nn.epoch import Divergence, Epoch
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import replay, start_schedule
from plainmlp.nn.scoring import Examination, Scorer
from plainmlp.nn.snapshot import Snapshot, State
from plainmlp.nn.vitality import DeadUnits

Array = NDArray[Any]


class _Training:
    """The state of a training: the models still in it, and what each of them needs."""

    def __init__(
        self,
        network: Network,
        recipes: Sequence[Recipe],
        train: Examples,
        validation: Examples | None,
        resume: Sequence[Snapshot],
        *,
        epochs: int,
        max_steps: int | None,
        batch_size: int,
        shuffle: bool,
        target_scale: Array | None,
    ) -> None:
        self.home, self.recipes = network, tuple(recipes)
        self.epochs, self.last_batches = limit_epochs(len(train.inputs), batch_size, epochs, max_steps)
        self.first = _common_epoch(resume)
        self.train, self.validation, self.target_scale = train, validation, target_scale
        self.batch_size = batch_size
        self.shuffle = shuffle and batch_size < len(train.inputs)
        self.stopping = [EarlyStopping(recipe, snapshot.best) for recipe, snapshot in zip(recipes, resume, strict=True)]
        self.losses = [list(snapshot.losses) for snapshot in resume]
        self.schedules = [start_schedule(r.schedule, r.schedule_options, self.epochs) for r in recipes]
        self.factors = np.array(list(map(replay, self.schedules, self.losses)))
        self.models = tuple(range(network.n_models))
        present = Network(network.architectures, np.stack([snapshot.parameters for snapshot in resume]))
        self._set_up(Descent(present, self.recipes, State.of(resume)))

    def _set_up(self, descent: Descent) -> None:
        """Make the buffers for the models that are still in training."""
        n_out = self.home.shape.layer_sizes[-1]
        self.descent = descent
        orders = descent.n_orders if self.shuffle else 1
        self.batches = Batches(self.train, n_out, self.batch_size, orders, len(self.models))
        self.scorer = Scorer(descent.network, self.target_scale)
        self.dead_units = DeadUnits(descent.network, self.train.inputs)
        self.examination = None
        if self.validation is not None:
            self.examination = Examination(descent.network, self.validation, self.target_scale)

    def epoch(self, number: int) -> Epoch:
        """Train one epoch and measure it; models that diverge or stop early leave the stack."""
        learning_rates = self.factors * [self.recipes[model].learning_rate for model in self.models]
        batches = self.batches if number + 1 < self.epochs else self.batches.first(self.last_batches)
        run = self.descent.run(batches, learning_rates, self.shuffle, self.scorer)
        metrics = {**self._measure(run), "learning_rate": learning_rates}
        models, snapshot = self.models, partial(self._snapshot, self.descent, self.models)
        steps = partial(_steps, run, self.models)
        diverged = tuple(
            Divergence(models[row], number, step, float(learning_rates[row])) for row, step in run.diverged
        )
        self._conclude(metrics, {divergence.model for divergence in diverged})
        remaining = self.models if number + 1 < self.epochs else ()
        return Epoch(number, models, metrics, diverged, remaining, snapshot, steps)

    def _measure(self, run: Run) -> dict[str, Array]:
        """Return the metrics of an epoch but for the learning rate."""
        metric = self.home.loss.metric
        metrics = {"train_loss": run.loss, f"train_{metric}": run.score}
        if self.examination is not None:
            metrics["validation_loss"], metrics[f"validation_{metric}"] = self.examination.run()
        return metrics | {"gradient_norm": run.gradient_norm, "dead_units": self.dead_units.share()}

    def _conclude(self, metrics: dict[str, Array], lost: Collection[int]) -> None:
        """Let schedules and early stopping take in an epoch; models that are lost or stop leave the stack."""
        losses = metrics.get("validation_loss", metrics["train_loss"]).tolist()
        self.factors = np.array([s.send(loss) for s, loss in zip(self.schedules, losses, strict=True)])
        parameters = self.descent.network.parameters
        staying = []
        for row, model in enumerate(self.models):
            self.losses[model].append(losses[row])
            stops = self.stopping[model].stops(metrics, row, parameters[row])
            if model in lost or stops:
                self._send_home(row)
            else:
                staying.append(row)
        if len(staying) < len(self.models):
            self._keep(staying)

    def _snapshot(self, descent: Descent, models: tuple[int, ...], model: int) -> Snapshot:
        """Return what a model goes on from, which is in a descent of the given models."""
        row, state = models.index(model), descent.state
        return Snapshot(
            descent.network.parameters[row],
            tuple(slot[row] for slot in state.slots),
            float(state.product[row, 0]),
            state.streams[row].shuffle.bit_generator.state,
            state.streams[row].dropout.bit_generator.state,
            state.steps,
            self.losses[model],
            self.stopping[model].best,
        )

    def _send_home(self, row: int) -> None:
        """Write a model's result into the stack that was given: its best parameters, or else its last."""
        model = self.models[row]
        best = self.stopping[model].best.parameters
        self.home.parameters[model] = self.descent.network.parameters[row] if best is None else best

    def _keep(self, rows: list[int]) -> None:
        self.models = tuple(self.models[row] for row in rows)
        self.schedules = [self.schedules[row] for row in rows]
        self.factors = self.factors[rows]
        if rows:
            self._set_up(self.descent.take(rows))

    def finish(self) -> None:
        """Write the results of the models that are still in training into the stack that was given."""
        for row in range(len(self.models)):
            self._send_home(row)


def _steps(run: Run, models: tuple[int, ...], model: int) -> dict[str, Array]:
    """Return what each update of a model began from, in a run of the given models."""
    return run.steps(row=models.index(model))


def _common_epoch(resume: Sequence[Snapshot]) -> int:
    """Return the epoch that all snapshots go on with."""
    epochs = {snapshot.epochs for snapshot in resume}
    if len(epochs) > 1:
        message = f"models go on together from one epoch, not from {sorted(epochs)}"
        raise ValueError(message)
    return epochs.pop()


def fit(
    network: Network,
    recipes: Sequence[Recipe],
    train: Examples,
    validation: Examples | None = None,
    *,
    epochs: int,
    max_steps: int | None = None,
    batch_size: int,
    shuffle: bool = True,
    target_scale: Array | None = None,
    resume: Sequence[Snapshot] | None = None,
) -> Iterator[Epoch]:
    """Train a stack of networks and yield each epoch when it is done.

    Each model ends with the bits that it would have alone. `network.parameters` holds a model's result once the model
    has left the training, so all of them when the iterator is exhausted.

    Parameters
    ----------
    network : Network
        The stack; its parameters are the start.
    recipes : sequence of Recipe
        One a model.
    train, validation : Examples
        `validation` may be None.
    epochs : int
        At least 1.
    max_steps : int, optional
        At least 1: the training ends after so many steps, within an epoch where need be.
    batch_size : int
        At least 1; all samples at once where it is not below their number, and their order is then left as it is.
    shuffle : bool, default True
        Whether each epoch takes the samples in a new random order, drawn for each model from its own seed.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by, so that metrics have their units.
    resume : sequence of Snapshot, optional
        One a model, all of one epoch: the training goes on after it, with the bits of one that was never interrupted,
        if all else is the same. Without it, it begins with the parameters of `network`.

    Raises
    ------
    KeyError
        Where a recipe monitors a metric that is not recorded.
    ValueError
        Where the snapshots are not one a model, or of several epochs.
    """
    if resume is None:
        resume = list(map(Snapshot.initial, network.parameters, recipes))
    training = _Training(
        network,
        recipes,
        train,
        validation,
        resume,
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        shuffle=shuffle,
        target_scale=target_scale,
    )
    for number in range(training.first, training.epochs):
        with np.errstate(all="ignore"):  # a loss that is not finite is found and reported
            epoch = training.epoch(number)
        yield epoch
        if not training.models:
            return
    training.finish()
