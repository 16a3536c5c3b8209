"""Training: gradient descent on one network, an epoch at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import fsum, isfinite, nan

import numpy as np

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import Batches, Examples, batch_sizes, limit_epochs
from plainmlp.nn.descent import Descent, Steps, can_die
from plainmlp.nn.early_stopping import EarlyStopping
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import fill_options
from plainmlp.nn.products import BLOCK
from plainmlp.nn.randomness import restore
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import replay, start_schedule
from plainmlp.nn.snapshot import Snapshot

WATCHED_ROWS = 256  # that dead units are looked for with
VALIDATION_ROWS = 64 * BLOCK  # at least, that are measured at once


@dataclass(frozen=True)
class Divergence:
    """Where in a training the loss was not finite any more."""

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
    metrics : dict of str to float
        `train_loss` (the mean over the batches of the loss that the forward pass saw before each update, penalties
        included), `validation_loss` (without penalties), `train_` and `validation_` with the loss's metric,
        `gradient_norm` (of the last update, penalties included, before clipping), `dead_units` (share of the units
        that can die and are zero for each of the first 256 samples) and `learning_rate`.
    diverged : Divergence, optional
        Where a loss or, at the end, a parameter was not finite; the metrics then mean nothing.
    is_last : bool
        Whether the training ends with it.
    snapshot : Snapshot
        What the training goes on from. Its arrays are the training's own, and hold until the next epoch begins.
    steps : callable () -> dict of str to ndarray of shape (n_batches,)
        Returns what each update began from: `step`, counted from 0; `loss`, the mean cost of the batch before the
        update, penalties included; and `accuracy` or, where numbers are estimated, `sum_of_squares` of the
        differences, over the batch and the outputs.
    """

    number: int
    metrics: dict[str, float]
    diverged: Divergence | None
    is_last: bool
    snapshot: Snapshot
    steps: Callable[[], dict[str, Array]]


class Training:
    """A network in training.

    Parameters
    ----------
    descent : Descent
        Holds the parameters and the optimiser's memory of the snapshot.
    architecture : Architecture
    recipe : Recipe
    train, validation : Examples
        `validation` may be None.
    snapshot : Snapshot
        Of the state that the training goes on from.
    epochs : int
        At least 1.
    max_steps : int, optional
        At least 1: the training ends after so many steps, within an epoch where need be.
    stop_after : int, optional
        At least 1: the run ends after so many epochs, and what it ends with is a state of the training of all epochs.
    batch_size : int
        At least 1; all samples at once where it is not below their number, and their order is then left as it is.
    shuffle : bool
        Whether each epoch takes the samples in a new random order.
    """

    def __init__(
        self,
        descent: Descent,
        architecture: Architecture,
        recipe: Recipe,
        train: Examples,
        validation: Examples | None,
        snapshot: Snapshot,
        *,
        epochs: int,
        max_steps: int | None,
        stop_after: int | None = None,
        batch_size: int,
        shuffle: bool,
    ) -> None:
        self._descent, self._architecture, self._recipe = descent, architecture, recipe
        n_samples = len(train.inputs)
        batch_size = min(batch_size, n_samples)
        self._epochs, self._n_batches, self._last_batches = limit_epochs(n_samples, batch_size, epochs, max_steps)
        self._end = min(self._epochs, stop_after or self._epochs)
        self._first, self._steps, self._product = snapshot.epochs, snapshot.steps, snapshot.product
        self._shuffles, self._shuffle_state = restore(snapshot.shuffle), snapshot.shuffle
        self._dropouts, self._dropout_state = restore(snapshot.dropout), snapshot.dropout
        self._is_shuffled = shuffle and batch_size < n_samples
        self._hidden_units = sum(architecture.layer_sizes[1:-1]) if recipe.dropout else 0
        n_out, work = architecture.layer_sizes[-1], architecture.n_parameters
        self._batches = Batches(train, n_out, batch_size, work, self._hidden_units)
        first = Examples(train.inputs[:WATCHED_ROWS], train.targets[:WATCHED_ROWS])
        (self._first_rows,) = Batches(first, n_out, len(first.inputs), 1).blocks(1)
        self._watched = can_die(architecture)
        self._validation = None if validation is None else Batches(validation, n_out, VALIDATION_ROWS, work)
        self._stopping = EarlyStopping(recipe, snapshot.best)
        self._losses = list(snapshot.losses)
        self._schedule = start_schedule(recipe.schedule, recipe.schedule_options, self._epochs)
        self._factor = replay(self._schedule, self._losses)
        self._optimizer = OPTIMIZERS[recipe.optimizer]
        self._settings = fill_options(self._optimizer.options, recipe.optimizer_options)

    def run(self) -> Iterator[Epoch]:
        """Train, and yield each epoch when it is done; the descent then holds the result.

        That are the best parameters where the recipe's patience is set, else the last.
        """
        for number in range(self._first, self._end):
            with np.errstate(all="ignore"):  # a loss that is not finite is found and reported
                epoch = self._epoch(number)
            yield epoch
            if epoch.is_last:
                break
        if self._stopping.best.parameters is not None:
            self._descent.parameters[:] = self._stopping.best.parameters

    def _epoch(self, number: int) -> Epoch:
        """Train one epoch and measure it."""
        learning_rate = self._factor * self._recipe.learning_rate
        n_batches = self._n_batches if number + 1 < self._epochs else self._last_batches
        before, steps = self._steps, self._descend(n_batches, learning_rate)
        metrics = {**self._measure(steps), "learning_rate": learning_rate}
        diverged = None
        if not (isfinite(metrics["train_loss"]) and np.isfinite(self._descent.parameters).all()):
            diverged = self._find_divergence(steps, number, before, learning_rate)
        loss = metrics.get("validation_loss", metrics["train_loss"])
        self._losses.append(loss)
        self._factor = self._schedule.send(loss)
        stops = self._stopping.stops(metrics, self._descent.parameters)
        is_last = stops or diverged is not None or number + 1 == self._epochs
        return Epoch(number, metrics, diverged, is_last, self._snapshot(), partial(self._of_steps, steps, before))

    def _descend(self, n_batches: int, learning_rate: float) -> Steps:
        """Make the updates of an epoch."""
        descent, order = self._descent, None
        if self._is_shuffled:
            order = descent.draw_order(self._shuffles, self._batches.n_samples)
            self._shuffle_state = self._shuffles.bit_generator.state
        dtype = descent.parameters.dtype
        made, done, draws = [], 0, np.empty(0, dtype)
        for block in self._batches.blocks(n_batches, order):
            done += block.n_batches
            if self._hidden_units:
                draws = self._dropouts.random(self._hidden_units * len(block.rows), dtype=dtype.type)
            coefficients = self._coefficients(block.n_batches, learning_rate).astype(dtype)
            is_last = done == n_batches
            made.append(descent.descend(block, coefficients, draws, learning_rate=learning_rate, measures_norm=is_last))
            del block  # else it is in memory while the next is read
        if self._hidden_units:
            self._dropout_state = self._dropouts.bit_generator.state
        if len(made) == 1:
            return made[0]
        losses, scores, norms = zip(*made, strict=True)
        return Steps(np.concatenate(losses), np.concatenate(scores), norms[-1])

    def _coefficients(self, n_steps: int, learning_rate: float) -> Array:
        """Return what the optimiser needs in each of the next steps beside the gradient."""
        steps = np.arange(self._steps + 1, self._steps + n_steps + 1, dtype=np.float64)
        settings = {**self._settings, "learning_rate": learning_rate}
        columns, self._product = self._optimizer.coefficients(settings, steps, self._product)
        self._steps += n_steps
        table = np.empty((n_steps, len(columns)), self._descent.parameters.dtype)
        for place, column in enumerate(columns):
            table[:, place] = column
        return table

    def _measure(self, steps: Steps) -> dict[str, float]:
        """Return the metrics of an epoch but for the learning rate; means over batches are exact sums, divided."""
        metric = LOSSES[self._architecture.loss].metric
        metrics = {
            "train_loss": _sum([steps.losses]) / len(steps.losses),
            f"train_{metric}": _sum([steps.scores]) / self._n_samples(steps),
        }
        if self._validation is not None:
            n_samples = self._validation.n_samples
            n_pieces = -(-n_samples // VALIDATION_ROWS)
            costs, scores = zip(*map(self._descent.measure, self._validation.blocks(n_pieces)), strict=True)
            metrics["validation_loss"] = _sum(costs) / n_samples
            metrics[f"validation_{metric}"] = _sum(scores) / n_samples
        return metrics | {"gradient_norm": steps.gradient_norm, "dead_units": self._dead_units()}

    def _n_samples(self, steps: Steps) -> int:
        """Return how many samples an epoch has taken."""
        return min(len(steps.losses) * self._batches.batch_size, self._batches.n_samples)

    def _dead_units(self) -> float:
        """Return the share of dead units among those that can die."""
        n_watched = int(np.count_nonzero(self._watched))
        if not n_watched:
            return 0.0
        alive = self._descent.alive(self._first_rows, self._watched)
        return int(np.count_nonzero(~alive)) / n_watched

    def _find_divergence(self, steps: Steps, number: int, before: int, learning_rate: float) -> Divergence | None:
        """Return where a loss or, at the end, a parameter was not finite."""
        finite = np.isfinite(steps.losses)
        if finite.all() and np.isfinite(self._descent.parameters).all():
            return None
        batch = len(finite) - 1 if finite.all() else int(finite.argmin())
        return Divergence(number, before + batch, learning_rate)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            self._descent.parameters,
            self._descent.slots,
            self._product,
            self._shuffle_state,
            self._dropout_state,
            self._steps,
            self._losses,
            self._stopping.best,
        )

    def _of_steps(self, steps: Steps, before: int) -> dict[str, Array]:
        """Return what each update began from, see `Epoch`."""
        numbers = {"step": np.arange(before, before + len(steps.losses)), "loss": steps.losses}
        metric = LOSSES[self._architecture.loss].metric
        if metric == "accuracy":
            sizes = batch_sizes(self._n_samples(steps), self._batches.batch_size)
            return {**numbers, metric: steps.scores / sizes}
        return {**numbers, "sum_of_squares": steps.scores.astype(np.float64) * self._architecture.layer_sizes[-1]}


def _sum(parts: Iterable[Array]) -> float:
    """Return the exact sum of some arrays, rounded once; NaN where it is none."""
    try:
        total = fsum(chain.from_iterable(part.tolist() for part in parts))
    except (OverflowError, ValueError):  # beyond all numbers, or infinities of both signs
        return nan
    return total if isfinite(total) else nan
