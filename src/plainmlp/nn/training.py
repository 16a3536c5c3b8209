"""Training: gradient descent on a stack of networks, an epoch at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.batches import Batches, Examples
from plainmlp.nn.descent import Descent
from plainmlp.nn.early_stopping import EarlyStopping
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import start_schedule
from plainmlp.nn.scoring import Examination, Scorer
from plainmlp.nn.vitality import DeadUnits

Array = NDArray[Any]


@dataclass(frozen=True)
class Divergence:
    """A model whose loss was not finite any more: where in the training that was."""

    model: int
    epoch: int
    step: int
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch of training came to.

    Parameters
    ----------
    number : int
        Counted from 0.
    models : tuple of int
        The models of the stack that trained in it; one that has stopped early or diverged is not among them.
    metrics : dict of str to ndarray of shape (len(models),), float64
        `train_loss` (the mean over the batches of the loss that the forward pass saw before each update, penalties
        included), `validation_loss` (without penalties), `train_` and `validation_` with the loss's metric,
        `gradient_norm` (of the last update, penalties included, before clipping), `dead_units` (share of the units
        that can die and are zero for each of the first samples) and `learning_rate`.
    diverged : tuple of Divergence
        The models whose loss was not finite in this epoch; their metrics mean nothing.
    """

    number: int
    models: tuple[int, ...]
    metrics: dict[str, Array]
    diverged: tuple[Divergence, ...] = ()


class _Training:
    """The state of a training: the models still in it, and what each of them needs."""

    def __init__(
        self,
        network: Network,
        recipes: Sequence[Recipe],
        train: Examples,
        validation: Examples | None,
        *,
        epochs: int,
        batch_size: int,
        shuffle: bool,
        target_scale: Array | None,
    ) -> None:
        self.home, self.recipes = network, tuple(recipes)
        self.train, self.validation, self.target_scale = train, validation, target_scale
        self.batch_size = batch_size
        self.shuffle = shuffle and batch_size < len(train.inputs)
        self.stopping = [EarlyStopping(recipe) for recipe in recipes]
        self.schedules = [start_schedule(r.schedule, r.schedule_options, epochs) for r in recipes]
        self.factors = np.array([next(schedule) for schedule in self.schedules])
        self.models = tuple(range(network.n_models))
        self._set_up(Descent(network.take(self.models), self.recipes))

    def _set_up(self, descent: Descent) -> None:
        """Make the buffers for the models that are still in training."""
        n_out = self.home.shape.layer_sizes[-1]
        self.descent = descent
        orders = len(self.models) if self.shuffle else 1
        self.batches = Batches(self.train, n_out, self.batch_size, orders, len(self.models))
        self.scorer = Scorer(descent.network, self.target_scale)
        self.dead_units = DeadUnits(descent.network, self.train.inputs)
        self.examination = None
        if self.validation is not None:
            self.examination = Examination(descent.network, self.validation, self.target_scale)

    def epoch(self, number: int) -> Epoch:
        """Train one epoch and measure it."""
        learning_rates = self.factors * [self.recipes[model].learning_rate for model in self.models]
        run = self.descent.run(self.batches, learning_rates, self.shuffle, self.scorer)
        metric = self.home.loss.metric
        metrics = {"train_loss": run.loss, f"train_{metric}": run.score}
        if self.examination is not None:
            metrics["validation_loss"], metrics[f"validation_{metric}"] = self.examination.run()
        metrics |= {"gradient_norm": run.gradient_norm, "dead_units": self.dead_units.share()}
        metrics["learning_rate"] = learning_rates
        diverged = tuple(
            Divergence(self.models[row], number, step, float(learning_rates[row])) for row, step in run.diverged
        )
        return Epoch(number, self.models, metrics, diverged)

    def conclude(self, epoch: Epoch) -> None:
        """Let schedules and early stopping take in an epoch; models that stop leave the stack."""
        losses = epoch.metrics.get("validation_loss", epoch.metrics["train_loss"])
        self.factors = np.array([s.send(float(loss)) for s, loss in zip(self.schedules, losses, strict=True)])
        lost = {divergence.model for divergence in epoch.diverged}
        parameters = self.descent.network.parameters
        staying = []
        for row, model in enumerate(self.models):
            stops = self.stopping[model].stops(epoch.metrics, row, parameters[row])
            if model in lost or stops:
                self._send_home(row)
            else:
                staying.append(row)
        if len(staying) < len(self.models):
            self._keep(staying)

    def _send_home(self, row: int) -> None:
        """Write a model's result into the stack that was given: its best parameters, or else its last."""
        model = self.models[row]
        best = self.stopping[model].parameters
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


def fit(
    network: Network,
    recipes: Sequence[Recipe],
    train: Examples,
    validation: Examples | None = None,
    *,
    epochs: int,
    batch_size: int,
    shuffle: bool = True,
    target_scale: Array | None = None,
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
    batch_size : int
        At least 1; all samples at once where it is not below their number, and their order is then left as it is.
    shuffle : bool, default True
        Whether each epoch takes the samples in a new random order, drawn for each model from its own seed.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by, so that metrics have their units.

    Raises
    ------
    KeyError
        Where a recipe monitors a metric that is not recorded.
    """
    training = _Training(
        network,
        recipes,
        train,
        validation,
        epochs=epochs,
        batch_size=batch_size,
        shuffle=shuffle,
        target_scale=target_scale,
    )
    for number in range(epochs):
        with np.errstate(all="ignore"):  # a loss that is not finite is found and reported
            epoch = training.epoch(number)
            training.conclude(epoch)
        yield epoch
        if not training.models:
            return
    training.finish()
