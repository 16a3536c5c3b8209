"""An MLflow experiment: its runs, made, found and read."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from getpass import getuser
from pathlib import Path

from plainmlp.config.schema import WAIT_SECONDS
from plainmlp.system.errors import InputError
from plainmlp.system.files import files_below, without_fsync
from plainmlp.system.process import is_dead, own_process
from plainmlp.tracking.addresses import artifact_location, shown_address
from plainmlp.tracking.bulk import write_runs, writes_at_once
from plainmlp.tracking.connection import AwayError, apply_settings, connect, opening, refusal
from plainmlp.tracking.databases import locked
from plainmlp.tracking.datasets import DataInput
from plainmlp.tracking.outbox import PREFIX, Entry, Outbox, RunHeader, metric_points, new_record_id, published
from plainmlp.tracking.recording.manifest import seal
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.stored_runs import Reader, StoredRun, waiting_run
from plainmlp.tracking.tags import (
    CHECKOUT_TAG,
    EXPERIMENT_TAG,
    FAILURE_TAG,
    KILLED,
    KILLED_REASON,
    NOTE_TAG,
    PARENT_TAG,
    POINT_TAG,
    PROCESS_TAG,
    RECORD_TAG,
    SWEEP_TAG,
)

# without this tag of the experiment MLflow opens its pages for prompts and traces
KIND = ("mlflow.experimentKind", "custom_model_development")
THREADS = 8  # that send runs to a server at once


@dataclass(frozen=True)
class ChildRun:
    """A run that is over, below another, whose `reference` is its parent.

    Its status is FINISHED, FAILED or KILLED; if it failed, the tag `failure` says why. It started and ended at times in
    seconds, as `time.time` has them. A name is in metrics or in curves, which have a value an epoch. The content of the
    folder of artifacts is kept; the folder may be gone then. `describe` returns the description, given the run's id.
    """

    parent: str
    point_id: str
    name: str
    _: KW_ONLY
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    status: str
    started: float
    ended: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    artifacts: Path | None = None
    describe: Callable[[str], str] | None = None

    @property
    def stamp(self) -> int:
        """Return when it ended, in milliseconds."""
        return int(self.ended * 1000)

    def whole(self, entry: Entry) -> Entry:
        """Return an entry with the end of the run."""
        return {**entry, "status": self.status, "ended": self.stamp}


class Store(Reader):
    """An MLflow experiment that runs are recorded in.

    Parameters
    ----------
    address : str
        As `tracking_address` returns it.
    experiment : str
        Made if it does not exist.
    outbox : Outbox, optional
        Holds each run until MLflow has it whole; without one, a store that cannot be reached is an error.
    wait_seconds : float
        How long this process waits for the store, in all.

    Raises
    ------
    InputError
        MLflow cannot record at the address, or the experiment has been deleted.
    """

    def __init__(
        self, address: str, experiment: str, outbox: Outbox | None = None, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        super().__init__(connect(address, wait_seconds, is_limited=outbox is not None))
        apply_settings(wait_seconds)
        from mlflow import MlflowClient

        self.experiment, self._outbox = experiment, outbox
        try:
            with opening(address), locked(address):  # the client makes the database
                self.client = self.connection.open(lambda: MlflowClient(address))
                self.experiment_id = self.connection.open(self._find)
                self.connection.open(self._close_abandoned)
        except AwayError as error:
            if outbox is None:
                raise refusal(address, str(error)) from error

    def _close_abandoned(self) -> None:
        """End the runs whose process was killed, so that none looks as if it were still running."""
        for run in self.search("attributes.status = 'RUNNING'"):
            if PROCESS_TAG in run.data.tags and is_dead(run.data.tags[PROCESS_TAG]):
                self.client.set_tag(run.info.run_id, FAILURE_TAG, KILLED_REASON)
                self.client.set_terminated(run.info.run_id, KILLED)

    def _find(self) -> str:
        """Return the id of the experiment, which is made if it does not exist."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            return self._make()
        if KIND[0] not in found.tags and found.lifecycle_stage != "deleted":
            self.client.set_experiment_tag(found.experiment_id, *KIND)
        if found.lifecycle_stage == "deleted":
            message = (
                f"tracking.experiment = {self.experiment!r} was deleted in MLflow; restore it there "
                f"(mlflow experiments restore -x {found.experiment_id}) or choose another name"
            )
            raise InputError(message)
        return str(found.experiment_id)

    def _make(self) -> str:
        """Make the experiment, unless another process is quicker, or an attempt whose answer was lost."""
        from mlflow.exceptions import MlflowException

        try:
            place = artifact_location(self.address, self.experiment)
            return str(self.client.create_experiment(self.experiment, place, dict([KIND])))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._find()

    def start(
        self,
        point_id: str,
        name: str,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        data: Sequence[DataInput],
    ) -> TrackedRun:
        """Start the run of a point; its name is shown in the list of runs."""
        header = self._header(name, {POINT_TAG: point_id, **tags}, new_record_id(), time.time())
        return self._begin(header, {"data": list(data), "parameters": dict(parameters)})

    def start_parent(self, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> TrackedRun:
        """Start a run that others are shown below; it computes no point itself."""
        header = self._header(name, tags, sweep_record_id(tags), time.time())
        # MLflow may have the run already, from a time when it could be reached
        return self._begin(header, {"process": own_process(), "parameters": dict(parameters)})

    def _begin(self, header: RunHeader, entry: Entry) -> TrackedRun:
        run = self.run(header)
        run.begin()
        with run.closing_on_failure():
            run.write(entry)
        return run

    def resume(self, header: RunHeader, point_id: str) -> TrackedRun | None:
        """Return a run of this experiment to add to; None if there is none of this point any more."""
        wanted = (shown_address(self.address), self.experiment, point_id)
        if wanted != (header.address, header.experiment, header.tags.get(POINT_TAG)):
            return None
        run = self.run(header)
        return run if run.resume() else None

    def finished_parent(self, marks: Mapping[str, str]) -> TrackedRun | None:
        """Return the run of a sweep that MLflow has whole and finished, as it is; None if there is none."""
        record_id = sweep_record_id(marks)
        if self._outbox is not None and self._outbox.holds(record_id):
            return None
        with suppress(AwayError):
            found = next(self.search(f"tags.`{RECORD_TAG}` = '{record_id}' and attributes.status = 'FINISHED'"), None)
            if found is not None:
                header = self._header(found.info.run_name, marks, record_id, found.info.start_time / 1000)
                return self.run(replace(header, run_id=found.info.run_id))
        return None

    def resume_parent(self, marks: Mapping[str, str]) -> TrackedRun | None:
        """Return the run of a sweep that was started before, running again; None if none is known.

        `marks` are the tags that say which sweep of which checkout it is.
        """
        record_id = sweep_record_id(marks)
        header = self._header("sweep", marks, record_id, time.time())
        run, is_held = self.run(header), self._outbox is not None and self._outbox.holds(record_id)
        if not run.resume() or not (is_held or run.run_id):  # what MLflow cannot be asked about is started anew
            return None
        run.write({"process": own_process()})
        return run

    def add_children(self, children: Sequence[ChildRun]) -> list[str]:
        """Record runs that are over, all in one transaction if MLflow has it, else several at once; return their references."""
        made = [(child, *self._child(child)) for child in children]
        if not any(child.parent.startswith(PREFIX) for child in children):
            store = (self.address, self.experiment_id)
            with suppress(AwayError):  # the runs below will meet it too, and wait
                if self.connection.call(lambda: writes_at_once(*store)):
                    rows = [(header, child.whole(entry), child.artifacts) for child, header, entry in made]
                    return self.connection.call(lambda: write_runs(*store, rows))
        with ThreadPoolExecutor(min(len(made), THREADS)) as threads:
            return list(threads.map(lambda each: self._send_child(*each), made))

    def _child(self, child: ChildRun) -> tuple[RunHeader, Entry]:
        """Return a run as it is written, its manifest among its artifacts."""
        every_tag = {POINT_TAG: child.point_id, PARENT_TAG: child.parent, **child.tags}
        header = self._header(child.name, every_tag, new_record_id(), child.started)
        curves = published(child.curves)  # first, since MLflow's page Compare begins with them
        curves |= {name: [value] for name, value in child.metrics.items() if name not in curves}
        entry: Entry = {"parameters": dict(child.parameters), "metrics": metric_points(curves, child.stamp)}
        if child.describe is not None:
            entry["tags"] = {NOTE_TAG: child.describe(header.record_id)}
        if child.artifacts is not None and self._outbox is not None:
            header.tags.update(seal(child.artifacts, self._outbox, header, [entry], files_below(child.artifacts)))
        return header, entry

    def _send_child(self, child: ChildRun, header: RunHeader, entry: Entry) -> str:
        run = self.run(header, is_waiting=child.parent.startswith(PREFIX))
        run.begin(is_new=True)
        with without_fsync(), run.closing_on_failure():  # the archive of the sweep has it too
            run.write(entry, child.artifacts)
            run.end(child.status, child.stamp)
        return run.reference

    def recorded_children(self, parent: TrackedRun) -> list[StoredRun]:
        """Return the runs below another: those in the outbox, and the others that MLflow has if it can be reached."""
        parents, outbox = {parent.reference, parent.header.record_id}, self._outbox
        headers = [] if outbox is None else outbox.headers()
        headers = [header for header in headers if header.tags.get(PARENT_TAG) in parents]
        waiting = [] if outbox is None else [waiting_run(outbox, header) for header in headers]
        known = {header.run_id for header in headers}
        with suppress(AwayError):  # duplicates are sorted out when the outbox is published
            sent = [] if parent.run_id is None else self.sent_children(parent.run_id)
            return waiting + [child for child in sent if child.run_id not in known]
        return waiting

    def mark(self, run_id: str, tag: str, value: str) -> None:
        """Add a tag to a run that is over, unless it still waits for MLflow."""
        if not run_id.startswith(PREFIX):
            with suppress(AwayError):
                self.connection.call(lambda: self.client.set_tag(run_id, tag, value))

    def drop(self, run_id: str) -> None:
        """Move a run to MLflow's deleted ones, or remove it from the outbox."""
        if run_id.startswith(PREFIX) and self._outbox is not None:
            self._outbox.remove(run_id)
            return
        with suppress(AwayError):  # it goes when the run that takes its place is published
            self.connection.call(lambda: self.client.delete_run(run_id))

    def _header(self, name: str, tags: Mapping[str, str], record_id: str, started: float) -> RunHeader:
        every = {**_origin(), PROCESS_TAG: own_process(), **tags}
        return RunHeader(record_id, shown_address(self.address), self.experiment, name, every, int(started * 1000))

    def run(self, header: RunHeader, *, is_waiting: bool = False) -> TrackedRun:
        """Return a run of this experiment as it is; `is_waiting` keeps it in the outbox until `sync` publishes it."""
        return TrackedRun(self, self._outbox, header, is_waiting=is_waiting)


def sweep_record_id(tags: Mapping[str, str]) -> str:
    """Return the id of the record of a sweep's run, the same each time that a checkout starts the sweep."""
    return new_record_id("-".join(tags[tag] for tag in (SWEEP_TAG, CHECKOUT_TAG) if tag in tags))


def _origin() -> dict[str, str]:
    """Return the tags by which MLflow shows who started a run, and with which program, and DVC's name of an experiment."""
    try:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getuser()
    except (KeyError, OSError):  # a number without a name, as containers have
        user = "unknown"
    origin = {"mlflow.user": user, "mlflow.source.name": sys.argv[0], "mlflow.source.type": "LOCAL"}
    experiment = os.environ.get("DVC_EXP_NAME")
    return origin if experiment is None else {**origin, EXPERIMENT_TAG: experiment}
