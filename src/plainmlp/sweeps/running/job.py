"""A point of a sweep as one job, under whichever launcher: trained unless the archive has it, then recorded."""

import os
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType

from plainmlp.composition.compose import quote
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config
from plainmlp.sweeps.grid.points import Point, whole
from plainmlp.sweeps.running.archive import ARCHIVE, CONFIGURATION, Archive, ArchivedPoint
from plainmlp.sweeps.running.training import PointTraining
from plainmlp.sweeps.running.units import PointError, ThisProcess
from plainmlp.system.files import passing_folder
from plainmlp.system.process import LAUNCHER, NAME, PARENT, end_with
from plainmlp.tracking.recording.configuration import configuration_tags, recorded_parameters, recorded_text
from plainmlp.tracking.recording.page import describe_point, run_name
from plainmlp.tracking.recording.provenance import (
    PROVENANCE,
    read_code,
    shown_tags,
    training_numerics,
    write_provenance,
)
from plainmlp.tracking.recording.training import open_store, point_of, provenance_tags
from plainmlp.tracking.store import ChildRun, Store
from plainmlp.tracking.tags import FAILURE_TAG

GATHERED = ARCHIVE.parent / "gathered"  # the artifacts of points that are being recorded
AT_ONCE = 64  # points in one transaction
_archive, _store = cache(Archive), cache(open_store)  # a process opens each once


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
    archive = _archive(checkout / ARCHIVE)
    splits = archive.data.splits(config.dataset, config.split)
    point = Point((), config, point_of(config, splits), point_of(whole(config), splits))
    started = time.time()
    [(_, failure)] = PointTraining([point], archive, ThisProcess()).ended()
    record_outcomes([(Job(point, parent, os.environ.get(NAME) or run_name(config)), failure)], checkout, started)
    if failure is not None:
        raise failure


def record_outcomes(
    ended: Sequence[tuple[Job, PointError | None]], checkout: Path, started: float | None = None
) -> dict[str, ArchivedPoint]:
    """Record points that are in the checkout's archive, or have failed, in as few transactions as MLflow has for them.

    Those that failed began at `started`, by default now. Returns what the archive has of the others, by their ids.
    """
    archive = _archive(checkout / ARCHIVE)
    by_store: dict[Store, list[ChildRun]] = {}
    kept = {job.point.point_id: archive.load(job.point.point_id) for job, failure in ended if failure is None}
    # on the disk where most stores are, which take its content by its name
    with passing_folder(checkout / GATHERED) as folder:
        for number, (job, failure) in enumerate(ended):
            if failure is None:
                child = _finished(job, kept[job.point.point_id], checkout, folder / str(number))
            else:
                archive.note_failure(job.point.point_id, str(failure))
                child = _failed(job, checkout, str(failure), started or time.time())
            by_store.setdefault(_store(job.point.config.tracking, checkout), []).append(child)
        for store, children in by_store.items():
            store.add_children(children)
    return kept


def _finished(job: Job, kept: ArchivedPoint, checkout: Path, folder: Path) -> ChildRun:
    """Return the run of a point that the archive has; its artifacts are gathered in a folder, which is made."""
    point, archive = job.point, _archive(checkout / ARCHIVE)
    ended = time.time()
    tags = _provenance_tags(point, checkout, kept.numerics)
    text, parameters = recorded_text(point.config), recorded_parameters(point.config)
    folder.mkdir()
    places = archive.places(point.point_id)
    for path in (places.model, places.history, *([] if point.config.training.loss_every is None else [places.steps])):
        shutil.copyfile(path, folder / path.name)
    # an earlier sweep may have trained it with other settings that change no result
    (folder / CONFIGURATION).write_text(text, encoding="utf-8", newline="\n")
    tags |= configuration_tags(text.encode(), parameters)
    write_provenance(folder / PROVENANCE, read_code(checkout), tags)
    return ChildRun(
        job.parent,
        point.point_id,
        job.name,
        parameters=parameters,
        tags={"weights_digest": kept.weights_digest, **shown_tags(tags)},
        metrics=kept.final_metrics(),
        curves=kept.history,
        artifacts=folder,
        status="FINISHED",
        started=ended - kept.training_seconds,
        ended=ended,
        describe=partial(describe_point, point.config, kept.metrics),
    )


def _failed(job: Job, checkout: Path, reason: str, started: float) -> ChildRun:
    """Return the run of a point that failed, and why."""
    point = job.point
    tags = _provenance_tags(point, checkout, training_numerics(point.config.training))
    return ChildRun(
        job.parent,
        point.point_id,
        job.name,
        parameters=recorded_parameters(point.config),
        tags={FAILURE_TAG: reason, **shown_tags(tags)},
        status="FAILED",
        started=started,
        ended=time.time(),
    )


def _provenance_tags(point: Point, checkout: Path, numerics: Mapping[str, str]) -> dict[str, str]:
    splits = _archive(checkout / ARCHIVE).data.splits(point.config.dataset, point.config.split)
    return provenance_tags(splits, checkout, numerics)


class Recorder:
    """Records points in a thread, behind the training and many at a time, while its block runs, and all before it ends.

    After an exception it finishes what it has begun; the archive has the rest, for the next start of the sweep.

    Parameters
    ----------
    checkout : Path
        The one whose archive has the points.

    Attributes
    ----------
    kept : dict
        What the archive has of the points that were recorded, by their ids.
    """

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self.kept: dict[str, ArchivedPoint] = {}
        self._ended: deque[tuple[Job, PointError | None]] = deque()
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._recording: Future[None] = self._thread.submit(lambda: None)

    def __enter__(self) -> "Recorder":
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the thread; raise what it met, unless the block has raised already."""
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._recording.result()

    def add(self, job: Job, failure: PointError | None) -> None:
        """Take in a point that is archived, or has failed; raise what the recording of an earlier one has met."""
        if self._recording.done():
            self._recording.result()
        self._ended.append((job, failure))
        self._recording = self._thread.submit(self._record, self._recording)

    def _record(self, before: Future[None]) -> None:
        """Record what has come by now, unless it has been already; raise what the recording before has met."""
        before.result()
        batch = [self._ended.popleft() for _ in range(min(AT_ONCE, len(self._ended)))]
        if batch:
            self.kept |= record_outcomes(batch, self._checkout)
