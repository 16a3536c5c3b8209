"""The progress of a training: how far one network has come, and all that it needs to go on from there."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from plainmlp.config.schema import TrainingSection
from plainmlp.data.arrays import Array
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import Epoch
from plainmlp.training.history import History

Watcher = Callable[[int, dict[str, float]], object]


@dataclass(eq=False)
class Progress:
    """How far one network has come.

    Parameters
    ----------
    snapshot : Snapshot
        What its training began with or, in a checkpoint, goes on from.
    initial_digest : str
        Of its snapshot before the first epoch.
    digests : list of str
        An entry an epoch: the digest of its snapshot, empty for an epoch that was not digested.
    seconds : float
        The network's share of the time that its epochs took.
    steps : History
        What `keep_steps` has kept of its updates.
    loss_every : int, optional
        Which updates were kept, None where none were.
    """

    snapshot: Snapshot
    initial_digest: str
    history: History = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    steps: History = field(default_factory=dict)
    loss_every: int | None = None


def keep_steps(kept: History, steps: Mapping[str, Array], every: int) -> None:
    """Add every so-manieth update of an epoch to those that are kept.

    Parameters
    ----------
    steps : mapping of str to ndarray of shape (n_batches,)
        As `plainmlp.nn.training.Epoch.steps` returns them.
    every : int
        Of the updates 0, 1, 2 ... of the training, those that it divides are kept.
    """
    chosen = steps["step"] % every == 0
    for name, values in steps.items():
        kept.setdefault(name, []).extend(values[chosen].tolist())


class Checkpoint(Protocol):
    """Where the progress of one network is kept, for the case that its training is interrupted."""

    def load(self) -> Progress | None:
        """Return the latest progress that was kept and is whole, if there is any."""

    def save(self, progress: Progress) -> None:
        """Keep a progress."""

    def clear(self) -> None:
        """Remove all that was kept, since the training has ended."""


def resume(checkpoint: Checkpoint | None, start: Snapshot, loss_every: int | None) -> Progress:
    """Return the progress that a checkpoint has kept, or that before the first epoch.

    What was trained with another `training.loss_every` has lost the steps that are asked for now and starts again.
    """
    kept = None if checkpoint is None else checkpoint.load()
    if checkpoint is not None and kept is not None and kept.loss_every != loss_every:
        sys.stderr.write(f"warning: training.loss_every was {kept.loss_every} before; training starts again\n")
        checkpoint.clear()  # else a later attempt would find it again
        kept = None
    return kept or Progress(start, start.digest(), loss_every=loss_every)


class Journal:
    """The progress of a network while it trains, with the watchers and the checkpoint that follow it.

    Parameters
    ----------
    progress : Progress
        To go on from.
    training : TrainingSection
        Its `loss_every`, `digest_every`, `checkpoint_epochs` and `checkpoint_seconds` count.
    watchers : sequence of callable (epoch, metrics)
        Called at once for the epochs that `progress` has already.
    digests : bool, default True
        Whether the states of the training have digests: those of other libraries have none.
    """

    def __init__(
        self,
        progress: Progress,
        training: TrainingSection,
        watchers: Sequence[Watcher],
        checkpoint: Checkpoint | None,
        *,
        digests: bool = True,
    ) -> None:
        self.progress, self._digests = progress, digests
        self._training, self._watchers, self._checkpoint = training, watchers, checkpoint
        self._saved = time.monotonic()
        for epoch in range(len(progress.digests)):
            self._tell(epoch, {name: values[epoch] for name, values in progress.history.items()})

    def add(self, epoch: Epoch, seconds: float) -> None:
        """Take in an epoch and the seconds that it took."""
        progress, number = self.progress, len(self.progress.digests)
        for name, value in epoch.metrics.items():
            progress.history.setdefault(name, []).append(value)
        if self._training.loss_every is not None:
            keep_steps(progress.steps, epoch.steps(), self._training.loss_every)
        is_digested = self._digests and (epoch.is_last or (number + 1) % self._training.digest_every == 0)
        progress.digests.append(epoch.snapshot.digest() if is_digested else "")
        progress.seconds += seconds
        if self._checkpoint is not None and not epoch.is_last and self._is_due(number):
            self._checkpoint.save(replace(progress, snapshot=epoch.snapshot))
            self._saved = time.monotonic()
        self._tell(number, epoch.metrics)

    def fail(self) -> None:
        """Let nothing go on from here: the loss is not finite any more."""
        if self._checkpoint is not None:
            self._checkpoint.clear()

    def _is_due(self, epoch: int) -> bool:
        """Say whether the checkpoint is to be written after an epoch."""
        epochs, seconds = self._training.checkpoint_epochs, self._training.checkpoint_seconds
        if epochs is not None and (epoch + 1) % epochs == 0:
            return True
        return seconds is not None and time.monotonic() - self._saved >= seconds

    def _tell(self, epoch: int, metrics: dict[str, float]) -> None:
        for watch in self._watchers:
            watch(epoch, metrics)
