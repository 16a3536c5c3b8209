"""The progress of a training: how far one network has come, and all that it needs to go on from there."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from plainmlp.data.arrays import Array
from plainmlp.history import History
from plainmlp.nn.snapshot import Snapshot
from plainmlp.schema import TrainingSection

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
    history : History
    digests : list of str
        An entry an epoch: the hash chain of its snapshots, empty for an epoch that is not linked.
    seconds : float
        The network's share of the time that its epochs took.
    steps : History
        What `keep_steps` has kept of its updates.
    """

    snapshot: Snapshot
    initial_digest: str
    history: History = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    steps: History = field(default_factory=dict)

    @classmethod
    def initial(cls, snapshot: Snapshot) -> "Progress":
        """Return the progress before the first epoch."""
        return cls(snapshot, snapshot.digest())


def keep_steps(kept: History, steps: Mapping[str, Array], every: int) -> None:
    """Add every so-manieth update of an epoch to those that are kept.

    Parameters
    ----------
    kept : History
    steps : mapping of str to ndarray of shape (n_batches,)
        As `plainmlp.nn.scoring.step_metrics` returns them.
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
    checkpoint : Checkpoint, optional
    """

    def __init__(
        self,
        progress: Progress,
        training: TrainingSection,
        watchers: Sequence[Watcher],
        checkpoint: Checkpoint | None,
    ) -> None:
        self.progress = progress
        self._training, self._watchers, self._checkpoint = training, watchers, checkpoint
        self._last_digest = next(filter(None, reversed(progress.digests)), progress.initial_digest)
        self._saved = time.monotonic()
        for epoch in range(len(progress.digests)):
            self._tell(epoch, {name: values[epoch] for name, values in progress.history.items()})

    def add(
        self,
        metrics: dict[str, float],
        steps: Callable[[], dict[str, Array]],
        snapshot: Callable[[], Snapshot],
        seconds: float,
        *,
        is_last: bool,
    ) -> None:
        """Take in an epoch.

        Parameters
        ----------
        metrics : dict of str to float
        steps : callable ()
            Returns what its updates began from; called where that is kept.
        snapshot : callable ()
            Returns what the training goes on from after it; called where it is needed.
        seconds : float
            What the epoch took.
        is_last : bool
            Whether the training ends with it; then there is nothing to go on from.
        """
        progress, epoch = self.progress, len(self.progress.digests)
        for name, value in metrics.items():
            progress.history.setdefault(name, []).append(value)
        if self._training.loss_every is not None:
            keep_steps(progress.steps, steps(), self._training.loss_every)
        progress.digests.append(self._link(snapshot()) if is_last or self._is_linked(epoch) else "")
        progress.seconds += seconds
        if self._checkpoint is not None and not is_last and self._is_due(epoch):
            self._checkpoint.save(replace(progress, snapshot=snapshot()))
            self._saved = time.monotonic()
        self._tell(epoch, metrics)

    def fail(self) -> None:
        """Let nothing go on from here: the loss is not finite any more."""
        if self._checkpoint is not None:
            self._checkpoint.clear()

    def _is_linked(self, epoch: int) -> bool:
        return (epoch + 1) % self._training.digest_every == 0

    def _link(self, snapshot: Snapshot) -> str:
        self._last_digest = snapshot.digest(self._last_digest)
        return self._last_digest

    def _is_due(self, epoch: int) -> bool:
        """Say whether the checkpoint is to be written after an epoch."""
        epochs, seconds = self._training.checkpoint_epochs, self._training.checkpoint_seconds
        if epochs is not None and (epoch + 1) % epochs == 0:
            return True
        return seconds is not None and time.monotonic() - self._saved >= seconds

    def _tell(self, epoch: int, metrics: dict[str, float]) -> None:
        for watch in self._watchers:
            watch(epoch, metrics)
