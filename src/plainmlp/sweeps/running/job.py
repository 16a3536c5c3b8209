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
from plainmlp.sweeps.running.workers import as_failure, complete
from plainmlp.system.errors import TrainingError
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.provenance import FOLDER as PROVENANCE
from plainmlp.tracking.recording.provenance import read_code, training_numerics, write_provenance
from plainmlp.tracking.recording.training import open_store, point_of, provenance_tags, run_name
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import FAILURE_TAG

# the environment variables that tell a job the run of its sweep, and the process that launched it
PARENT, LAUNCHER, NAME = "PLAINMLP_PARENT", "PLAINMLP_LAUNCHER", "PLAINMLP_NAME"
# points that a launcher has trained in vain already, and why
FAILED: dict[str, str] = {}


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
    point_id = point_of(config, archive.splits(config.dataset, config.split))
    job = Job(config, point_id, parent, archive, _store(config.tracking, checkout))
    started = time.time()
    try:
        if not archive.has(point_id):
            _train(job)
    except Exception as error:
        reason = str(as_failure(error))
        archive.note_failure(point_id, reason)
        record_failure(job, checkout, reason, started)
        raise
    record_point(job, checkout)


def _end_with_launcher() -> None:
    """Let no job outlive the sweep that it belongs to, where a launcher has given it a process of its own."""
    if os.environ.get(LAUNCHER) == str(os.getppid()):
        end_with(os.getppid())


def _train(job: Job) -> None:
    """Train a point alone and put it into the archive."""
    if job.point_id in FAILED:
        raise TrainingError(FAILED[job.point_id])
    folder = job.archive.splits_folder(job.config.dataset, job.config.split)
    failure = complete(Point((), job.config, job.point_id), folder, job.archive)
    if failure is not None:
        raise failure


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
    for path in (places.model, places.history):
        shutil.copy(path, folder)


@cache
def _archive(root: Path) -> Archive:
    return Archive(root)


@cache
def _store(tracking: TrackingSection, checkout: Path) -> Store:
    """Return the store of a configuration; a process opens it once."""
    return open_store(tracking, checkout)
