"""The training of a peer: our batches, schedules, early stopping and metrics around the updates of a library."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from plainmlp.baselines.peer import Array, Peer, Start, Step
from plainmlp.nn.batches import Batches, Block, Examples, limit_epochs
from plainmlp.nn.early_stopping import EarlyStopping
from plainmlp.nn.epoch import Divergence
from plainmlp.nn.network import Network
from plainmlp.nn.orders import draw_orders
from plainmlp.nn.randomness import generator
from plainmlp.nn.schedules import start_schedule
from plainmlp.nn.scoring import Examination, Scorer, mean_over_batches, step_metrics
from plainmlp.nn.vitality import DeadUnits


class PeerEpoch(NamedTuple):
    """What an epoch came to.

    Parameters
    ----------
    metrics : dict of str to float
        Those of `plainmlp.nn.epoch.Epoch`.
    diverged : Divergence, optional
        Where a loss or, at the end, a parameter was not finite; the metrics then mean nothing.
    steps : dict of str to ndarray of shape (n_batches,)
        What each update began from, as `plainmlp.nn.scoring.step_metrics` has it.
    """

    metrics: dict[str, float]
    diverged: Divergence | None
    steps: dict[str, Array]


class PeerTraining:
    """A training of one network in the hands of a library.

    Parameters
    ----------
    peer : Peer
        Made from `start`.
    start : Start
    train : Examples
    validation : Examples, optional
    epochs : int
    max_steps : int, optional
        The most updates; the last epoch is cut short there.
    batch_size : int
    shuffle : bool
        Whether each epoch takes the samples in a new order: the one in which our own network would take them.
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by.
    """

    def __init__(
        self,
        peer: Peer,
        start: Start,
        train: Examples,
        validation: Examples | None,
        *,
        epochs: int,
        max_steps: int | None,
        batch_size: int,
        shuffle: bool,
        target_scale: Array | None,
    ) -> None:
        self._peer, self._recipe = peer, start.recipe
        self._epochs, self._last_batches = limit_epochs(len(train.inputs), batch_size, epochs, max_steps)
        self._network = Network([start.architecture], start.parameters[np.newaxis].copy())
        self._batches = Batches(train, start.architecture.layer_sizes[-1], batch_size, 1, 1)
        self._shuffle = shuffle and batch_size < len(train.inputs)
        self._stream = generator(start.recipe.seed, "shuffle")
        self._scorer = Scorer(self._network, target_scale)
        self._dead_units = DeadUnits(self._network, train.inputs)
        self._stopping = EarlyStopping(start.recipe)
        self._examination = None if validation is None else Examination(self._network, validation, target_scale)

    def run(self) -> Iterator[PeerEpoch]:
        """Train, and yield each epoch when it is done."""
        schedule = start_schedule(self._recipe.schedule, self._recipe.schedule_options, self._epochs)
        factor = next(schedule)
        for number in range(self._epochs):
            epoch = self._epoch(number, self._recipe.learning_rate * factor)
            yield epoch
            columns = {name: np.array([value]) for name, value in epoch.metrics.items()}
            stops = self._stopping.stops(columns, 0, self._network.parameters[0])
            if stops or epoch.diverged is not None:
                return
            factor = schedule.send(epoch.metrics.get("validation_loss", epoch.metrics["train_loss"]))

    def parameters(self) -> Array:
        """Return the result so far: the best parameters where early stopping looks for them, else the last."""
        best = self._stopping.best.parameters
        parameters: Array = self._network.parameters[0] if best is None else best
        return parameters.copy()

    def _epoch(self, number: int, learning_rate: float) -> PeerEpoch:
        costs, scores = [], []
        batches = self._batches if number + 1 < self._epochs else self._batches.first(self._last_batches)
        for block in self._blocks(batches):
            steps = self._descend(block, learning_rate)
            costs += [[step.loss] for step in steps]
            scores.append(self._score(block, steps))
        self._network.parameters[0] = self._peer.parameters()
        metric, losses = self._network.loss.metric, np.array(costs)
        metrics = {
            "train_loss": mean_over_batches([losses]),
            f"train_{metric}": mean_over_batches(scores, batches.sizes),
            **self._examine(metric),
            "gradient_norm": np.array([np.linalg.norm(steps[-1].gradients)]),
            "dead_units": self._dead_units.share(),
            "learning_rate": np.array([learning_rate]),
        }
        diverged = self._diverged(number, losses[:, 0], learning_rate)
        first = number * self._batches.steps
        of_steps = step_metrics(self._network.shape, first, batches.sizes, [losses], scores, row=0)
        return PeerEpoch({name: float(values[0]) for name, values in metrics.items()}, diverged, of_steps)

    def _blocks(self, batches: Batches) -> Iterator[Block]:
        if not self._shuffle:
            return batches.ordered()
        return batches.shuffled(draw_orders([self._stream], len(batches.examples.inputs)))

    def _descend(self, block: Block, learning_rate: float) -> list[Step]:
        """Make the updates of a block."""
        weights = [None] * len(block) if block.weights is None else block.weights[:, 0]
        return [
            self._peer.step(
                np.ascontiguousarray(inputs[0].T), np.ascontiguousarray(targets[0].T), of_batch, learning_rate
            )
            for inputs, targets, of_batch in zip(block.inputs, block.targets, weights, strict=True)
        ]

    def _score(self, block: Block, steps: list[Step]) -> Array:
        """Return the mean score of each batch, of shape (n_batches, 1), with our own formula."""
        record, options = self._scorer.record(block), dict(self._network.shape.loss_options)
        for step, targets, z, row in zip(steps, block.targets, *record, strict=True):
            z[0] = step.sums.T
            self._network.loss.error(z, targets, np.empty_like(z), row, **options)
        return self._scorer.measure(block, record)[1]

    def _examine(self, metric: str) -> dict[str, Array]:
        if self._examination is None:
            return {}
        return dict(zip(("validation_loss", f"validation_{metric}"), self._examination.run(), strict=True))

    def _diverged(self, number: int, losses: Array, learning_rate: float) -> Divergence | None:
        finite = np.isfinite(losses)
        if finite.all() and np.isfinite(self._network.parameters).all():
            return None
        batch = len(losses) - 1 if finite.all() else int(finite.argmin())
        return Divergence(0, number, number * self._batches.steps + batch, learning_rate)
