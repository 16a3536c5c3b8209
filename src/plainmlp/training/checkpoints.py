"""Checkpoints: the progress of a training on disk, for the case that the training is interrupted."""

import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from plainmlp.data.arrays import Array
from plainmlp.nn.early_stopping import Best
from plainmlp.nn.snapshot import Snapshot
from plainmlp.system.errors import InputError
from plainmlp.system.files import unflushed
from plainmlp.system.process import alone
from plainmlp.training.progress import Progress
from plainmlp.training.sealed import read_sealed, write_sealed

FOLDER = Path(".plainmlp") / "checkpoints"  # below a checkout
KEPT = 2
VERSION = 3  # of the format; to be counted up where what a file holds, or means, changes


class Checkpoints:
    """The last checkpoints of one point: a folder that is there for as long as its training has no result.

    Notes
    -----
    Several processes may train one point at once: their states after an epoch are the same bits.
    """

    def __init__(self, root: Path, point_id: str) -> None:
        self._root, self._point_id = root, point_id
        self._folder = root / point_id

    def load(self) -> Progress | None:
        """Return the latest progress that is whole and of this point; any later one is removed, with one warning."""
        found, problems = None, []
        with self._alone():
            for path in self._paths():
                try:
                    found = read_checkpoint(path, self._point_id)
                    break
                except InputError as error:
                    path.unlink()  # else it would be taken for the latest again
                    problems.append(str(error))
        if problems:
            outcome = "starts again" if found is None else "goes on from the one before it"
            sys.stderr.write(f"warning: {problems[0]}; training {outcome}\n")
        return found

    def save(self, progress: Progress) -> None:
        """Keep a progress, and no more than one before it; say on stderr where that is not possible."""
        try:
            with self._alone():
                self._replace(progress)
        except OSError as error:  # such as a full disk, which may have room again before the training ends
            sys.stderr.write(
                f"warning: {self._folder}: no checkpoint can be kept ({error.strerror}); training goes on\n"
            )

    def _replace(self, progress: Progress) -> None:
        """Write a progress and remove what it outdates."""
        for leftover in self._folder.glob(".*"):  # of a process that was killed while it wrote
            leftover.unlink()
        with unflushed():  # a damaged checkpoint is noticed, and there is the one before it
            write_checkpoint(self._folder / f"{progress.snapshot.epochs:09}.safetensors", progress, self._point_id)
        for outdated in self._paths()[KEPT:]:
            outdated.unlink()

    def clear(self) -> None:
        """Remove all, since the training has its result."""
        with self._alone():
            if self._folder.is_dir():
                shutil.rmtree(self._folder)

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self._root / "locks", self._point_id)

    def _paths(self) -> list[Path]:
        """Return the checkpoints, the latest first."""
        return sorted(self._folder.glob("[0-9]*.safetensors"), reverse=True)


def checkpoints_of(checkout: Path, point_id: str) -> Checkpoints:
    """Return what a checkout keeps of a point while it trains."""
    return Checkpoints(checkout / FOLDER, point_id)


def write_checkpoint(path: Path, progress: Progress, point_id: str) -> None:
    """Write a progress to a safetensors file, whole or not at all, with the point's id and a checksum over it all."""
    snapshot, history = progress.snapshot, progress.history
    tensors = {"parameters": snapshot.parameters, "losses": np.array(snapshot.losses)}
    tensors |= {f"slots.{number}": slot for number, slot in enumerate(snapshot.slots)}
    tensors |= {f"history.{name}": np.array(values) for name, values in history.items()}
    tensors |= {f"of_steps.{name}": np.array(values) for name, values in progress.steps.items()}
    if snapshot.best.parameters is not None:
        tensors["best"] = snapshot.best.parameters
    content = {
        "version": VERSION,
        "point_id": point_id,
        "seconds": progress.seconds,
        "initial_digest": progress.initial_digest,
        "digests": progress.digests,
        "metrics": list(history),
        "of_steps": list(progress.steps),
        "loss_every": progress.loss_every,
        "product": snapshot.product,
        "steps": snapshot.steps,
        "shuffle": snapshot.shuffle,
        "dropout": snapshot.dropout,
        "best": [snapshot.best.value, snapshot.best.waited],
    }
    in_order = dict(sorted(tensors.items()))
    write_sealed(path, in_order, {**content, "shapes": _shapes(in_order)})


def read_checkpoint(path: Path, point_id: str) -> Progress:
    """Read what `write_checkpoint` wrote."""
    tensors, content = read_sealed(path, "checkpoint", lambda content: list(content["shapes"]))
    if content["shapes"] != _shapes(tensors):
        message = f"{path}: is damaged: its arrays do not have the shapes that were written with it"
        raise InputError(message)
    if content.get("version") != VERSION:
        raise InputError(_other_format(path))
    try:
        owner, progress = content["point_id"], _progress(content, tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(_other_format(path)) from error
    if owner != point_id:
        message = f"{path}: is a checkpoint of another training, of the point {owner[:12]}"
        raise InputError(message)
    return progress


def _other_format(path: Path) -> str:
    return f"{path}: has the format of another version of plainmlp"


def _shapes(tensors: dict[str, Array]) -> dict[str, list[Any]]:
    return {name: [tensor.dtype.str, *tensor.shape] for name, tensor in tensors.items()}


def _progress(content: dict[str, Any], tensors: dict[str, Array]) -> Progress:
    n_slots = sum(name.startswith("slots.") for name in tensors)
    value, waited = content["best"]
    snapshot = Snapshot(
        tensors["parameters"],
        tuple(tensors[f"slots.{number}"] for number in range(n_slots)),
        content["product"],
        content["shuffle"],
        content["dropout"],
        content["steps"],
        tensors["losses"].tolist(),
        Best(value, waited, tensors.get("best")),
    )
    history = {name: tensors[f"history.{name}"].tolist() for name in content["metrics"]}
    steps = {name: tensors[f"of_steps.{name}"].tolist() for name in content["of_steps"]}
    return Progress(
        snapshot,
        content["initial_digest"],
        history,
        content["digests"],
        content["seconds"],
        steps,
        content["loss_every"],
    )
