"""An MLflow experiment: its runs, made, found and read."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.config.schema import WAIT_SECONDS
from plainmlp.system.errors import InputError
from plainmlp.system.process import is_dead, own_process
from plainmlp.tracking.bulk import WholeRun, is_known, keeps_files, write_run
from plainmlp.tracking.children import Child, Reader, kept_children
from plainmlp.tracking.connection import AwayError, connect
from plainmlp.tracking.database import (
    apply_settings,
    artifact_location,
    database_file,
    locked,
    opening,
    refusal,
    shown_address,
)
from plainmlp.tracking.delivery import Journal
from plainmlp.tracking.header import PREFIX, Record, new_record_id
from plainmlp.tracking.operations import begin_again, end, log_values, metric_points, use_data
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.run import METRICS_AT_ONCE, TrackedRun
from plainmlp.tracking.tags import CHECKOUT_TAG, COMMIT_TAG, FAILURE_TAG, PARENT_TAG, POINT_TAG, PROCESS_TAG, SWEEP_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class DataInput:
    """The data set that a run used: its name, the digest of its arrays, and its sizes."""

    name: str
    digest: str
    profile: Mapping[str, int]


class Store(Reader):
    """An MLflow experiment that runs are recorded in.

    Parameters
    ----------
    address : str
        As `tracking_address` returns it.
    experiment : str
        Made where it does not exist.
    outbox : Outbox, optional
        Takes in what cannot be sent; without one, a store that cannot be reached is refused.
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
        self.experiment, self.experiment_id = experiment, ""
        self._outbox = outbox
        try:
            with opening(address):
                self._open()
        except AwayError as error:
            if outbox is None:
                raise refusal(address, str(error)) from error

    def _open(self) -> None:
        with locked(self.address):  # the client makes the database
            self.client = self.connection.open(self._make_client)
            self.experiment_id = self.connection.open(self._find)
            self.connection.open(self.close_abandoned)

    def _make_client(self) -> "MlflowClient":
        from mlflow import MlflowClient

        return MlflowClient(self.address)

    def close_abandoned(self) -> None:
        """End the runs whose process was killed, so that none looks as if it were still running."""
        for run in self.search("attributes.status = 'RUNNING'", self.experiment_id):
            if PROCESS_TAG in run.data.tags and is_dead(run.data.tags[PROCESS_TAG]):
                self.client.set_tag(run.info.run_id, FAILURE_TAG, "its process was killed")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _find(self) -> str:
        """Return the id of the experiment, which is made where it does not exist."""
        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            return self._make()
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
            return str(self.client.create_experiment(self.experiment, artifact_location(self.address, self.experiment)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._find()

    def start(
        self, point_id: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str], data: DataInput
    ) -> TrackedRun:
        """Start a run.

        Parameters
        ----------
        point_id : str
            Of what the run computes; a tag too.
        name : str
            Shown in the list of runs; the first digits of the point id follow it.
        parameters, tags : mapping of str to str
        data : DataInput
        """
        record = self._record(f"{name} {point_id[:12]}", {POINT_TAG: point_id, **tags}, new_record_id(), time.time())
        journal = self.journal(record)
        journal.begin()
        run = self._tracked(journal)
        with run.closing_on_failure():
            journal.write(use_data(data.name, data.digest, data.profile))
            journal.write(log_values(parameters=parameters))
        return run

    def resume(self, record: Record, point_id: str) -> TrackedRun | None:
        """Return a run of this experiment to add to, or None where there is none of this point any more.

        Parameters
        ----------
        record : Record
            Of the run, which may wait in the outbox, or have been sent since.
        point_id : str
        """
        wanted = (shown_address(self.address), self.experiment, point_id)
        if wanted != (record.address, record.experiment, record.tags.get(POINT_TAG)):
            return None
        journal = self.journal(record)
        return self._tracked(journal) if journal.resume() else None

    def start_parent(self, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> TrackedRun:
        """Start a run that others are to be shown below; it computes no point itself."""
        journal = self.journal(self._record(name, tags, _sweep_record_id(tags), time.time()))
        journal.begin()
        run = self._tracked(journal)
        with run.closing_on_failure():
            if journal.is_kept:  # MLflow may have it, from a time when it could be reached
                journal.write(begin_again())
            journal.write(log_values(parameters=parameters))
        return run

    def resume_parent(self, marks: Mapping[str, str]) -> TrackedRun | None:
        """Return the run of a sweep that was started before, running again, or None where none is known.

        Parameters
        ----------
        marks : mapping of str to str
            The tags that say which sweep of which checkout it is.
        """
        record = self._record_of_sweep(marks)
        if record is None:
            return None
        journal = self.journal(record)
        journal.write(begin_again())
        return self._tracked(journal)

    def _record_of_sweep(self, marks: Mapping[str, str]) -> Record | None:
        record_id = _sweep_record_id(marks)
        if self._outbox is not None and self._outbox.holds(record_id):
            return self._outbox.record(record_id)
        condition = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in marks.items())
        try:
            found = next(self.search(condition, self.experiment_id), None)
        except AwayError:  # as the run that is started in its place will say
            return None
        if found is None:
            return None
        record = self._record(found.info.run_name, marks, record_id, found.info.start_time / 1000)
        return replace(record, run_id=found.info.run_id)

    def add_child(
        self,
        parent: str,
        point_id: str,
        name: str,
        *,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
        artifacts: Path | None,
        status: str,
        started: float,
        ended: float,
    ) -> str:
        """Record a run that is over below another, in as few transactions as MLflow has for it; return its id.

        Parameters
        ----------
        parent : str
            The `reference` of the run above it.
        point_id, name, parameters, tags
            As in `start`.
        metrics : mapping of str to float
            A metric that is a curve already stays that.
        curves : mapping of str to sequence of float
            A value an epoch.
        artifacts : Path, optional
            The folder whose content is kept.
        status : {"FINISHED", "FAILED", "KILLED"}
            The tag `failure` says why, where it failed.
        started, ended : float
            In seconds, as `time.time` has them.
        """
        marks = {POINT_TAG: point_id, PARENT_TAG: parent, **tags}
        record = self._record(f"{name} {point_id[:12]}", marks, new_record_id(), started)
        stamp = int(ended * 1000)
        values = metric_points({**{name: [value] for name, value in metrics.items()}, **curves}, stamp)
        child = WholeRun(record, parameters, values, artifacts, status, stamp)
        if database_file(self.address) and is_known() and not parent.startswith(PREFIX):
            with suppress(AwayError):  # as the journal will notice too, and keep the run
                if self.connection.call(lambda: keeps_files(self.address, self.experiment_id)):
                    return self.connection.call(lambda: write_run(self.address, self.experiment_id, child))
        return self._write_child(child, is_kept=parent.startswith(PREFIX))

    def _write_child(self, child: WholeRun, *, is_kept: bool) -> str:
        """Write a run that is over through the client, or keep it; return its reference."""
        journal = self.journal(child.record, is_kept=is_kept)
        journal.begin()
        run = self._tracked(journal)
        first = METRICS_AT_ONCE - len(child.parameters)
        with run.closing_on_failure():
            if child.artifacts is not None:  # before the rest: MLflow reads all that a run has to find its folder
                run.log_file(child.artifacts)
            journal.write(log_values(child.metrics[:first], child.parameters))
            for position in range(first, len(child.metrics), METRICS_AT_ONCE):
                journal.write(log_values(child.metrics[position : position + METRICS_AT_ONCE]))
            journal.write(end(child.status, child.ended))
        return run.reference

    def recorded_children(self, parent: TrackedRun) -> list[Child]:
        """Return the runs below another: those of the outbox, and those of MLflow where that can be reached."""
        kept = [] if self._outbox is None else kept_children(self._outbox, {parent.reference, parent.record.record_id})
        with suppress(AwayError):  # what MLflow holds of them beside is sorted out when they are published
            return kept + ([] if parent.run_id is None else self.sent_children(parent.run_id))
        return kept

    def drop(self, run_id: str) -> None:
        """Move a run to MLflow's deleted ones, or remove a record from the outbox."""
        if run_id.startswith(PREFIX) and self._outbox is not None:
            self._outbox.remove(run_id)
            return
        with suppress(AwayError):  # it goes when the run that takes its place is published
            self.connection.call(lambda: self.client.delete_run(run_id))

    def _record(self, name: str, tags: Mapping[str, str], record_id: str, started: float) -> Record:
        """Return what a run of this experiment is made from."""
        every = {**_origin(), PROCESS_TAG: own_process(), **tags}
        every |= {COMMIT_TAG: tags["git_commit"]} if "git_commit" in tags else {}
        return Record(record_id, shown_address(self.address), self.experiment, name, every, int(started * 1000))

    def journal(self, record: Record, *, is_kept: bool = False) -> Journal:
        """Return what takes in the things that happen to a run of this experiment."""
        return Journal(self.client, self.experiment_id, self.connection, self._outbox, record, is_kept=is_kept)

    def _tracked(self, journal: Journal) -> TrackedRun:
        return TrackedRun(journal, self.address, self.experiment_id, journal.record.tags.get(POINT_TAG, ""))


def _sweep_record_id(tags: Mapping[str, str]) -> str:
    """Return the id of the record of a sweep's run, the same each time that a checkout starts the sweep."""
    return new_record_id("-".join(tags[tag] for tag in (SWEEP_TAG, CHECKOUT_TAG) if tag in tags))


def _origin() -> dict[str, str]:
    """Return the tags by which MLflow shows who started a run, and with which program."""
    try:
        user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getuser()
    except (KeyError, OSError):  # a number without a name, as containers have
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.name": sys.argv[0], "mlflow.source.type": "LOCAL"}
