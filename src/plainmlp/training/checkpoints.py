"""The progress of a training, and its checkpoints on disk, in case it is interrupted."""

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from plainmlp.config.schema import TrainingSection
from plainmlp.data.arrays import Array
from plainmlp.nn.early_stopping import Best
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import Epoch
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file, without_fsync
from plainmlp.system.process import exclusive_lock
from plainmlp.training.history import History
from plainmlp.training.sealed import read_sealed, sealed_bytes

CHECKPOINTS = Path(".plainmlp") / "checkpoints"  # below a checkout
KEPT = 2
# what a file holds as JSON under the same name
OF_PROGRESS = ("initial_digest", "digests", "seconds", "loss_every")
OF_SNAPSHOT = ("product", "shuffle", "dropout", "steps")
Watcher = Callable[[int, dict[str, float]], object]
VERSION = 3  # of the format; raise it when what a file holds, or means, changes


@dataclass(eq=False)
class Progress:
    """How far the training of a network has come.

    Parameters
    ----------
    snapshot : Snapshot
        What its training began with or, in a checkpoint, continues from.
    initial_digest : str
        Of its snapshot before the first epoch.
    digests : list of str
        An entry an epoch: the digest of its snapshot, empty for an epoch that was not digested.
    seconds : float
        How long its epochs took.
    steps : History
        What was measured before the updates that were kept.
    loss_every : int, optional
        Which updates were kept; None if none were.
    """

    snapshot: Snapshot
    initial_digest: str
    history: History = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    steps: History = field(default_factory=dict)
    loss_every: int | None = None


class Checkpoints:
    """The last checkpoints of one point: a folder that exists until its training has a result.

    Notes
    -----
    Several processes may train one point at once: their states after an epoch are the same bits.
    """

    def __init__(self, root: Path, point_id: str) -> None:
        self._root, self._point_id = root, point_id
        self._folder = root / point_id

    def load(self) -> Progress | None:
        """Return the latest checkpoint that is whole and of this point; remove any later one, with one warning."""
        found, problems = None, []
        if not self._folder.is_dir():  # most trainings are too short for a checkpoint, and a lock takes its time
            return None
        with self._exclusive_lock():
            for path in self._paths():
                try:
                    found = read_checkpoint(path, self._point_id)
                    break
                except InputError as error:
                    path.unlink()  # else it would be taken for the latest again
                    problems.append(str(error))
        if problems:
            outcome = "starts again" if found is None else "continues from the previous one"
            sys.stderr.write(f"warning: {problems[0]}; training {outcome}\n")
        return found

    def save(self, progress: Progress) -> None:
        """Keep a checkpoint, and at most one before it; warn on stderr if that fails."""
        try:
            with self._exclusive_lock(), without_fsync():  # a damaged one is noticed, and there is the one before it
                for leftover in self._folder.glob(".*"):  # of a process that was killed while it wrote
                    leftover.unlink()
                path = self._folder / f"{progress.snapshot.epochs:09}.safetensors"
                write_checkpoint(path, progress, self._point_id)
                for outdated in self._paths()[KEPT:]:
                    outdated.unlink()
        except (OSError, InputError) as error:  # a full disk, for example, may have room again before the training ends
            reason = error.strerror if isinstance(error, OSError) else error
            sys.stderr.write(
                f"warning: {self._folder}: a checkpoint could not be written ({reason}); training continues\n"
            )

    def clear(self) -> None:
        """Remove all checkpoints, since the training has its result."""
        if not self._folder.is_dir():
            return
        with self._exclusive_lock():
            if self._folder.is_dir():
                shutil.rmtree(self._folder)

    def _exclusive_lock(self) -> AbstractContextManager[None]:
        return exclusive_lock(self._root / "locks", self._point_id)

    def _paths(self) -> list[Path]:
        """Return the checkpoints, the latest first."""
        return sorted(self._folder.glob("[0-9]*.safetensors"), reverse=True)


def write_checkpoint(path: Path, progress: Progress, point_id: str) -> None:
    """Write a checkpoint to a safetensors file, whole or not at all, with the point's id and a checksum."""
    snapshot, history = progress.snapshot, progress.history
    tensors = {"parameters": snapshot.parameters, "losses": np.array(snapshot.losses)}
    tensors |= {f"slots.{number}": slot for number, slot in enumerate(snapshot.slots)}
    tensors |= {f"history.{name}": np.array(values) for name, values in history.items()}
    tensors |= {f"of_steps.{name}": np.array(values) for name, values in progress.steps.items()}
    if snapshot.best.parameters is not None:
        tensors["best"] = snapshot.best.parameters
    content = {"version": VERSION, "point_id": point_id, "best": [snapshot.best.value, snapshot.best.waited]}
    content |= {"metrics": list(history), "of_steps": list(progress.steps)}
    content |= {name: getattr(progress, name) for name in OF_PROGRESS}
    content |= {name: getattr(snapshot, name) for name in OF_SNAPSHOT}
    in_order = dict(sorted(tensors.items()))
    with replace_file(path) as temporary:
        temporary.write_bytes(sealed_bytes(in_order, {**content, "shapes": _shapes(in_order)}))


def read_checkpoint(path: Path, point_id: str) -> Progress:
    """Read what `write_checkpoint` wrote."""
    tensors, content = read_sealed(path, "checkpoint", lambda content: list(content["shapes"]))
    if content["shapes"] != _shapes(tensors):
        message = f"{path}: is damaged: its arrays do not have the shapes that were written with it"
        raise InputError(message)
    try:
        owner, progress = content["point_id"], _progress(content, tensors)
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path}: has the format of another version of plainmlp"
        raise InputError(message) from error
    if owner != point_id:
        message = f"{path}: is a checkpoint of another training, of the point {owner[:12]}"
        raise InputError(message)
    return progress


def _shapes(tensors: dict[str, Array]) -> dict[str, list[Any]]:
    return {name: [tensor.dtype.str, *tensor.shape] for name, tensor in tensors.items()}


def _progress(content: dict[str, Any], tensors: dict[str, Array]) -> Progress:
    if content["version"] != VERSION:
        message = f"the version is {content['version']}"
        raise ValueError(message)
    n_slots = sum(name.startswith("slots.") for name in tensors)
    value, waited = content["best"]
    snapshot = Snapshot(
        parameters=tensors["parameters"],
        slots=tuple(tensors[f"slots.{number}"] for number in range(n_slots)),
        losses=tensors["losses"].tolist(),
        best=Best(value, waited, tensors.get("best")),
        **{name: content[name] for name in OF_SNAPSHOT},
    )
    history = {name: tensors[f"history.{name}"].tolist() for name in content["metrics"]}
    steps = {name: tensors[f"of_steps.{name}"].tolist() for name in content["of_steps"]}
    return Progress(snapshot, history=history, steps=steps, **{name: content[name] for name in OF_PROGRESS})


def resume(checkpoints: Checkpoints | None, start: Snapshot, training: TrainingSection) -> Progress:
    """Return the progress in the latest checkpoint, or the start if there is none.

    A checkpoint with another `training.loss_every` lacks the steps that are asked for now, so the training starts again;
    it also does so if the checkpoint is beyond `training.stop_after`.
    """
    loss_every, kept = training.loss_every, None if checkpoints is None else checkpoints.load()
    if kept is not None and training.stop_after is not None and kept.snapshot.epochs > training.stop_after:
        kept = None
    if checkpoints is not None and kept is not None and kept.loss_every != loss_every:
        sys.stderr.write(f"warning: training.loss_every was {kept.loss_every} before; training starts again\n")
        checkpoints.clear()  # else a later attempt would find it again
        kept = None
    return kept or Progress(start, start.digest(), loss_every=loss_every)


class TrainingLog:
    """Takes in what a training does: keeps its progress, calls the watchers, writes checkpoints.

    Parameters
    ----------
    progress : Progress
        To continue from.
    training : TrainingSection
        Only its `loss_every`, `digest_every`, `stop_after`, `checkpoint_epochs` and `checkpoint_seconds` are read.
    watchers : sequence of callable (epoch, metrics)
        Called at once for the epochs that `progress` has already.
    digests : bool, default True
        Whether the states of the training have digests; other libraries' states have none.
    """

    def __init__(
        self,
        progress: Progress,
        training: TrainingSection,
        watchers: Sequence[Watcher],
        checkpoints: Checkpoints | None,
        *,
        digests: bool = True,
    ) -> None:
        self.progress, self._digests = progress, digests
        self._training, self._watchers, self._checkpoints = training, watchers, checkpoints
        self._saved = time.monotonic()
        for epoch in range(len(progress.digests)):
            self._tell(epoch, {name: values[epoch] for name, values in progress.history.items()})

    def add(self, epoch: Epoch, seconds: float) -> None:
        """Take in an epoch and the seconds that it took."""
        progress, number = self.progress, len(self.progress.digests)
        for name, value in epoch.metrics.items():
            progress.history.setdefault(name, []).append(value)
        if self._training.loss_every is not None:  # counted from the first update of the training
            steps = epoch.steps()
            for name, values in steps.items():
                kept = values[steps["step"] % self._training.loss_every == 0]
                progress.steps.setdefault(name, []).extend(kept.tolist())
        is_digested = self._digests and (epoch.is_last or (number + 1) % self._training.digest_every == 0)
        progress.digests.append(epoch.snapshot.digest() if is_digested else "")
        progress.seconds += seconds
        if self._checkpoints is not None and not epoch.is_last and self._is_due(number):
            self._checkpoints.save(replace(progress, snapshot=epoch.snapshot))
            self._saved = time.monotonic()
        self._tell(number, epoch.metrics)

    def fail(self) -> None:
        """Remove the checkpoints, since the loss is no longer finite."""
        if self._checkpoints is not None:
            self._checkpoints.clear()

    def _is_due(self, epoch: int) -> bool:
        epochs, seconds = self._training.checkpoint_epochs, self._training.checkpoint_seconds
        if epoch + 1 == self._training.stop_after or (epochs is not None and (epoch + 1) % epochs == 0):
            return True
        return seconds is not None and time.monotonic() - self._saved >= seconds

    def _tell(self, epoch: int, metrics: dict[str, float]) -> None:
        for watch in self._watchers:
            watch(epoch, metrics)
