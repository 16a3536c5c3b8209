"""Units: a handful of points that a worker trains one after another, and what it gives back of each.

An engine is where units are trained; each speaks one small interface of futures.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from plainmlp.config.schema import Config
from plainmlp.data.kept import read_once
from plainmlp.evaluation.evaluate import measure, predict
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Files, pack
from plainmlp.system.errors import InputError, StorageError, TrainingError
from plainmlp.training.checkpoints import Checkpoints
from plainmlp.training.train import train_configured

UNIT_SECONDS = 2.0
PointError = InputError | StorageError | TrainingError
Results = dict[str, Files | PointError]  # by point id: its files in the archive, or why it failed


@dataclass(frozen=True)
class Unit:
    """Points that are sent together.

    Parameters
    ----------
    points : mapping of str to Point
        By their ids, all of the same data.
    folder : Path
        Their data, see `KeptSplits.folder`.
    checkpoints : Path
        The folder that keeps what is unfinished.
    seconds : float
        After so long no further point is begun; those that are left are not in the results.
    """

    points: Mapping[str, Point]
    folder: Path
    checkpoints: Path
    seconds: float


def train_unit(unit: Unit) -> Results:
    """Train the points of a unit, the first of them in any case."""
    results: Results = {}
    end = time.monotonic() + unit.seconds
    for point_id, point in unit.points.items():
        if not results or time.monotonic() < end:
            results[point_id] = train_point(point.config, unit.folder, Checkpoints(unit.checkpoints, point.training_id))
    return results


def train_point(config: Config, folder: Path, checkpoint: Checkpoints) -> Files | PointError:
    """Train a point on the data in a folder and evaluate it; return its files, or why it failed."""
    try:
        splits = read_once(folder)
        trained = train_configured(config, splits, checkpoint=checkpoint)
        return pack(config, trained, measure(splits, predict(trained.model, splits)))
    except Exception as error:  # noqa: BLE001 - any error is the failure of this point
        return as_point_error(error)


def as_point_error(error: Exception) -> PointError:
    """Return an exception as one that has one line and an exit code, and can be sent between processes."""
    if isinstance(error, PointError):
        return error
    line = " ".join(str(error).split())
    return TrainingError(f"{type(error).__name__}: {line}")


class WorkerDiedError(Exception):
    """A worker has ended before its unit was done; the text says how, such as `was ended by SIGKILL`."""


def check_code(place: str, found: str, ours: str) -> None:
    """Raise InputError where a place that is to train has other code, by its digest, than the command."""
    if found != ours:
        message = f"{place} has code {found[:12]}, this command {ours[:12]}; install the same version there"
        raise InputError(message)


class Engine(Protocol):
    """Trains units, several at once; it serves until it is closed."""

    unit_seconds: float  # that a unit takes, unless a single point takes longer

    @property
    def units_at_once(self) -> int:
        """How many units it can use before the first has ended."""

    def submit(self, unit: Unit) -> Future[Any]:
        """Start to train a unit, if fewer than `units_at_once` are on their way; `results` takes the future."""

    def results(self, future: Future[Any]) -> Results:
        """Return what a unit that has ended gave.

        Raises
        ------
        WorkerDiedError
            Its worker has ended, and the unit may be submitted again.
        InputError
            No unit can be trained there.
        """

    def close(self) -> None:
        """End all work at once, whatever runs."""


class ThisProcess:
    """Trains each unit as it is submitted, in this process."""

    unit_seconds = UNIT_SECONDS
    units_at_once = 1

    def __str__(self) -> str:
        """Say who trains."""
        return "this process"

    def submit(self, unit: Unit) -> Future[Results]:
        """Train a unit."""
        future: Future[Results] = Future()
        future.set_result(train_unit(unit))
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a unit gave."""
        return future.result()

    def close(self) -> None:
        """Do nothing: there is no more to end."""
