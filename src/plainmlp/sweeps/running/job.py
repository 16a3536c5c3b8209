"""A point of a sweep as one job, under whichever launcher: trained unless the archive has it, then recorded."""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.composition.compose import quote
from plainmlp.config.inputs import found_inputs
from plainmlp.config.places import Places
from plainmlp.config.schema import Config, TrackingSection
from plainmlp.evaluation.evaluate import measure, predict
from plainmlp.sweeps.grid.points import Point, whole
from plainmlp.sweeps.running.archive import CONFIGURATION, FOLDER, Archive, read_once
from plainmlp.system.errors import InputError, StorageError, TrainingError
from plainmlp.system.process import end_with
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.provenance import FOLDER as PROVENANCE
from plainmlp.tracking.recording.provenance import read_code, training_numerics, write_provenance
from plainmlp.tracking.recording.training import open_store, point_of, provenance_tags, run_name
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import FAILURE_TAG
from plainmlp.training.train import train_configured

# environment variables that give a job the run of its sweep, the process that launched it, and its name
PARENT, LAUNCHER, NAME = "PLAINMLP_PARENT", "PLAINMLP_LAUNCHER", "PLAINMLP_NAME"
PointError = InputError | StorageError | TrainingError


@dataclass(frozen=True)
class Job:
    """A point to be trained and recorded: below which run, by its `reference`, and under which name."""

    point: Point
    parent: str
    name: str

    def overrides(self) -> list[str]:
        """Return the point's overrides, with those that hand the rest over to another process."""
        given = {PARENT: self.parent, LAUNCHER: str(os.getpid()), NAME: self.name}
        hand_over = [f"+hydra.job.env_set.{key}={quote(value)}" for key, value in given.items()]
        return [*self.point.overrides, *hand_over]


def run_point(config: Config, parent: str, checkout: Path) -> None:
    """Train a point unless the checkout's archive has it, and record it below its sweep's run, also if it fails."""
    if os.environ.get(LAUNCHER) == str(os.getppid()):  # it has a process of its own, which must not outlive the sweep
        end_with(os.getppid())
    config = found_inputs(config, checkout)
    archive = _archive(checkout / FOLDER)
    splits = archive.splits(config.dataset, config.split)
    point = Point((), config, point_of(config, splits), point_of(whole(config), splits))
    started = time.time()
    is_there = archive.has(point.point_id, config.training.loss_every)
    folder = archive.splits_folder(config.dataset, config.split)
    failure = None if is_there else train_point(point, folder, archive)
    record_outcome(Job(point, parent, os.environ.get(NAME) or run_name(config)), checkout, failure, started)
    if failure is not None:
        raise failure


def train_point(point: Point, folder: Path, archive: Archive) -> PointError | None:
    """Train a point on the data in an archive's folder, evaluate and archive it; return why it failed, if it did."""
    checkpoint = archive.checkpoints(point.training_id)
    try:
        splits = read_once(folder)
        trained = train_configured(point.config, splits, checkpoint=checkpoint)
        archive.keep(point.point_id, point.config, trained, measure(splits, predict(trained.model, splits)))
        if point.config.training.stop_after is None:  # else a training of more epochs goes on from there
            checkpoint.clear()
    except Exception as error:  # noqa: BLE001 - any error is the failure of this point
        return _as_point_error(error)
    return None


def _as_point_error(error: Exception) -> PointError:
    """Return an exception as one that has one line and an exit code, and can be sent between processes."""
    if isinstance(error, PointError):
        return error
    line = " ".join(str(error).split())
    return TrainingError(f"{type(error).__name__}: {line}")


def record_outcome(job: Job, checkout: Path, failure: PointError | None, started: float | None = None) -> None:
    """Record a point that is in the checkout's archive, or has failed, having begun at `started` (default: now)."""
    if failure is None:
        _record_point(job, checkout)
    else:
        _archive(checkout / FOLDER).note_failure(job.point.point_id, str(failure))
        _record_failure(job, checkout, str(failure), time.time() if started is None else started)


def _record_point(job: Job, checkout: Path) -> None:
    """Record a point that the archive has."""
    point, archive = job.point, _archive(checkout / FOLDER)
    kept = archive.load(point.point_id)
    curves, ended = kept.trained.history, time.time()
    tags = _provenance_tags(point, checkout, kept.numerics)
    text, parameters = recorded_text(point.config), recorded_parameters(point.config)
    with TemporaryDirectory() as folder:
        _gather(point, archive.places(point.point_id), Path(folder))
        # an earlier sweep may have trained it with other settings that change no result
        (Path(folder) / CONFIGURATION).write_text(text, encoding="utf-8", newline="\n")
        tags |= configuration_tags(text.encode(), parameters)
        write_provenance(Path(folder) / PROVENANCE, read_code(checkout), tags)
        _store(point.config.tracking, checkout).add_child(
            job.parent,
            point.point_id,
            job.name,
            parameters=parameters,
            tags={"weights_digest": kept.trained.model.weights_digest, **tags},
            metrics=kept.final_metrics(),
            curves=curves,
            artifacts=Path(folder),
            status="FINISHED",
            started=ended - kept.trained.seconds,
            ended=ended,
        )


def _record_failure(job: Job, checkout: Path, reason: str, started: float) -> None:
    """Record that a point failed, and why."""
    point = job.point
    tags = _provenance_tags(point, checkout, training_numerics(point.config.training))
    _store(point.config.tracking, checkout).add_child(
        job.parent,
        point.point_id,
        job.name,
        parameters=recorded_parameters(point.config),
        tags={FAILURE_TAG: reason, **tags},
        metrics={},
        curves={},
        artifacts=None,
        status="FAILED",
        started=started,
        ended=time.time(),
    )


def _provenance_tags(point: Point, checkout: Path, numerics: Mapping[str, str]) -> dict[str, str]:
    splits = _archive(checkout / FOLDER).splits(point.config.dataset, point.config.split)
    return provenance_tags(splits, checkout, numerics)


def _gather(point: Point, places: Places, folder: Path) -> None:
    """Copy the files of a point side by side, under their names as artifacts."""
    steps = [] if point.config.training.loss_every is None else [places.steps]
    for path in (places.model, places.history, *steps):
        shutil.copy(path, folder)


@cache
def _archive(root: Path) -> Archive:
    return Archive(root)


@cache
def _store(tracking: TrackingSection, checkout: Path) -> Store:
    """Return the store of a configuration; a process opens it once."""
    return open_store(tracking, checkout)
