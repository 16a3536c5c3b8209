"""A point of a sweep as one job, under whichever launcher: trained unless the archive has it, then recorded."""

import os
import shutil
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config, TrackingSection
from plainmlp.data.splits import Splits
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import CONFIGURATION, FOLDER, Archive
from plainmlp.sweeps.running.processes import end_with
from plainmlp.sweeps.running.workers import Failure, complete
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.provenance import FOLDER as PROVENANCE
from plainmlp.tracking.recording.provenance import read_code, training_numerics, write_provenance
from plainmlp.tracking.recording.training import open_store, point_of, provenance_tags, run_name
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import FAILURE_TAG

# the environment variables that tell a job the run of its sweep, and the process that launched it
PARENT, LAUNCHER, NAME = "PLAINMLP_PARENT", "PLAINMLP_LAUNCHER", "PLAINMLP_NAME"


@dataclass(frozen=True, eq=False)
class Job:
    """A point, and where it belongs.

    Parameters
    ----------
    config : Config
        With absolute paths.
    point_id : str
    parent : str
        The `reference` of the run of its sweep.
    archive : Archive
        Where its files are.
    store : Store
        Where it is recorded.
    """

    config: Config
    point_id: str
    parent: str
    archive: Archive
    store: Store


def run_point(config: Config, parent: str, checkout: Path) -> None:
    """Train a point unless the archive has it, and record it below its sweep's run.

    Parameters
    ----------
    config : Config
    parent : str
        The `reference` of the run of its sweep.
    checkout : Path
        Whose archive holds the points.

    Raises
    ------
    Exception
        The point failed; that is recorded too.
    """
    _end_with_launcher()
    config = found_inputs(config, checkout)
    archive = _archive(checkout / FOLDER)
    point = Point((), config, point_of(config, archive.splits(config.dataset, config.split)))
    started = time.time()
    is_there = archive.has(point.point_id, config.training.loss_every)
    failure = None if is_there else _train(point, archive)
    record_outcome(point, parent, checkout, failure, started)
    if failure is not None:
        raise failure


def record_outcome(
    point: Point, parent: str, checkout: Path, failure: Failure | None, started: float | None = None
) -> None:
    """Record a point that was trained or has failed.

    Parameters
    ----------
    point : Point
    parent : str
        The `reference` of the run of its sweep.
    checkout : Path
        The repository whose code runs, and whose archive has the point unless it failed.
    failure : InputError, StorageError or TrainingError, optional
        Why the point failed, where it did.
    started : float, optional
        When a point that failed was begun, as `time.time` has it; default: now.
    """
    archive, store = _archive(checkout / FOLDER), _store(point.config.tracking, checkout)
    job = Job(point.config, point.point_id, parent, archive, store)
    if failure is None:
        record_point(job, checkout)
        return
    archive.note_failure(point.point_id, str(failure))
    record_failure(job, checkout, str(failure), time.time() if started is None else started)


def _end_with_launcher() -> None:
    """Let no job outlive the sweep that it belongs to, where a launcher has given it a process of its own."""
    if os.environ.get(LAUNCHER) == str(os.getppid()):
        end_with(os.getppid())


def _train(point: Point, archive: Archive) -> Failure | None:
    """Train a point alone and put it into the archive; return why it failed, where it did."""
    return complete(point, archive.splits_folder(point.config.dataset, point.config.split), archive)


def _splits(job: Job) -> Splits:
    return job.archive.splits(job.config.dataset, job.config.split)


def record_point(job: Job, checkout: Path) -> None:
    """Record a point that the archive has.

    Parameters
    ----------
    job : Job
    checkout : Path
        The repository whose code runs.
    """
    kept = job.archive.load(job.point_id)
    curves, ended = kept.trained.history, time.time()
    tags = provenance_tags(_splits(job), checkout, kept.numerics)
    text, parameters = recorded_text(job.config), recorded_parameters(job.config)
    with TemporaryDirectory() as folder:
        _gather(job, Path(folder))
        # what an earlier sweep has trained may have had other settings that change no result
        (Path(folder) / CONFIGURATION).write_text(text, encoding="utf-8", newline="\n")
        tags |= configuration_tags(text.encode(), parameters)
        write_provenance(Path(folder) / PROVENANCE, read_code(checkout), tags)
        job.store.add_child(
            job.parent,
            job.point_id,
            _name(job),
            parameters=parameters,
            tags={"weights_digest": kept.trained.model.weights_digest, **tags},
            metrics=kept.final_metrics(),
            curves=curves,
            artifacts=Path(folder),
            status="FINISHED",
            started=ended - kept.trained.seconds,
            ended=ended,
        )


def record_failure(job: Job, checkout: Path, reason: str, started: float) -> None:
    """Record that a point failed, and why.

    Parameters
    ----------
    job : Job
    checkout : Path
        The repository whose code runs.
    reason : str
    started : float
        When the job began, as `time.time` has it.
    """
    tags = provenance_tags(_splits(job), checkout, training_numerics(job.config.training))
    job.store.add_child(
        job.parent,
        job.point_id,
        _name(job),
        parameters=recorded_parameters(job.config),
        tags={FAILURE_TAG: reason, **tags},
        metrics={},
        curves={},
        artifacts=None,
        status="FAILED",
        started=started,
        ended=time.time(),
    )


def _name(job: Job) -> str:
    """Return what tells a point from the others of its sweep in a list."""
    return os.environ.get(NAME) or run_name(job.config)


def _gather(job: Job, folder: Path) -> None:
    """Put the files of a point side by side, under the names that they have as artifacts."""
    places = job.archive.places(job.point_id)
    steps = [] if job.config.training.loss_every is None else [places.steps]
    for path in (places.model, places.history, *steps):
        shutil.copy(path, folder)


@cache
def _archive(root: Path) -> Archive:
    return Archive(root)


@cache
def _store(tracking: TrackingSection, checkout: Path) -> Store:
    """Return the store of a configuration; a process opens it once."""
    return open_store(tracking, checkout)
