"""Delivery: what happens to a run goes into its folder, and from there to MLflow while that can be reached."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from plainmlp.system.process import own_process
from plainmlp.tracking.connection import AwayError, Connection, is_away
from plainmlp.tracking.models import MODEL_FILE, rename_run
from plainmlp.tracking.outbox import Entry, Outbox, RunHeader
from plainmlp.tracking.tags import FAILURE_TAG, PROCESS_TAG, RECORD_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

ITEMS_PER_BATCH = 1000  # MLflow refuses more in one call


class Delivery:
    """One run on its way.

    Parameters
    ----------
    client : MlflowClient
    experiment_id : str
    connection : Connection
        Of the client.
    outbox : Outbox, optional
        Holds the run until MLflow has it whole. Without one, a store that cannot be reached is an error.
    header : RunHeader
    is_waiting : bool
        Whether the run stays in the outbox, and MLflow gets nothing of it before `sync` publishes it.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        connection: Connection,
        outbox: Outbox | None,
        header: RunHeader,
        *,
        is_waiting: bool = False,
    ) -> None:
        self.header, self.outbox, self.is_waiting = header, outbox, is_waiting
        self._client, self._experiment_id, self._connection = client, experiment_id, connection

    def begin(self) -> None:
        """Create the run."""
        if self.outbox is not None:
            self.outbox.write_header(self.header)
        try:
            if not self.is_waiting:
                self.header = self._connection.call(lambda: created(self._client, self._experiment_id, self.header))
                if self.outbox is not None:
                    self.outbox.write_header(self.header)
        except AwayError as error:
            self._wait(error)

    def resume(self) -> bool:
        """Continue a run that was begun before; say whether there is one, as there may be if MLflow is away."""
        held = self.outbox if self.outbox is not None and self.outbox.holds(self.header.record_id) else None
        if held is not None:
            self.header = held.header(self.header.record_id)
            self.is_waiting = self.header.run_id is None  # only `sync` may create its run now
        try:
            is_there = self.is_waiting or self._find()
        except AwayError as error:
            self._wait(error)
            return True
        if held is not None and not is_there:  # its run was deleted
            held.remove(self.header.record_id)
        elif held is not None:
            for entry in held.entries(self.header.record_id):
                self._send(entry, held.places(self.header.record_id, entry))
        return is_there

    def _find(self) -> bool:
        call, header = self._connection.call, self.header
        run_id = header.run_id or call(lambda: find_run(self._client, [self._experiment_id], header.record_id))
        self.header = replace(header, run_id=run_id)
        return run_id is not None and call(lambda: is_active(self._client, run_id, self._experiment_id))

    def reopen(self) -> None:
        """Let a run that has ended go on in this process."""
        self.write({"process": own_process()})

    def write(self, entry: Entry, source: Path | None = None, folder: str = "") -> None:
        """Add to the run.

        Parameters
        ----------
        entry : dict
        source : Path, optional
            A file, or a folder whose content, becomes artifacts.
        folder : str
            Where, among the artifacts.
        """
        places = {} if source is None else {f"{folder}/{name}".lstrip("/"): path for name, path in _files(source)}
        entry = {**entry, "files": list(places)} if places else entry
        if self.outbox is not None:
            self.outbox.add(self.header, entry, places)
            places = self.outbox.places(self.header.record_id, entry)
        self._send(entry, places)

    def end(self, status: str, stamp: int) -> None:
        """Close the run; once MLflow has it whole, it leaves the outbox."""
        self.write({"status": status, "ended": stamp})
        if self.outbox is not None and not self.is_waiting:
            self.outbox.remove(self.header.record_id)

    def _send(self, entry: Entry, places: Mapping[str, Path]) -> None:
        try:
            if not self.is_waiting:
                self._connection.call(lambda: send(self._client, self.header, entry, places))
        except AwayError as error:
            self._wait(error)

    def _wait(self, error: AwayError) -> None:
        if self.outbox is None:
            raise error
        self.is_waiting = True
        self._connection.announce(
            f"this run is being saved in {self.outbox.folder}; publish it later with: {self.outbox.command}"
        )


def _files(source: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or the files of a folder, with their names."""
    if source.is_dir():
        yield from ((path.relative_to(source).as_posix(), path) for path in sorted(source.rglob("*")) if path.is_file())
    else:
        yield source.name, source


def find_run(client: "MlflowClient", experiment_ids: list[str], record_id: str) -> str | None:
    """Return the id of the run that was made from a record, if there is one."""
    found = client.search_runs(experiment_ids, f"tags.`{RECORD_TAG}` = '{record_id}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def created(client: "MlflowClient", experiment_id: str, header: RunHeader) -> RunHeader:
    """Create a run, unless an attempt whose answer was lost has; return the header with its id."""
    run_id = find_run(client, [experiment_id], header.record_id)
    if run_id is None:
        tags = {**header.tags, RECORD_TAG: header.record_id}
        run_id = client.create_run(experiment_id, header.started, tags, run_name=header.name).info.run_id
    return replace(header, run_id=run_id)


def is_active(client: "MlflowClient", run_id: str, experiment_id: str) -> bool:
    """Say whether an experiment has a run that nobody has deleted."""
    from mlflow.exceptions import MlflowException

    try:
        info = client.get_run(run_id).info
    except MlflowException as error:
        if is_away(error):
            raise
        return False
    return (info.experiment_id, info.lifecycle_stage) == (experiment_id, "active")


def send(client: "MlflowClient", header: RunHeader, entry: Entry, places: Mapping[str, Path]) -> None:
    """Send an entry to its run, with the run's id in place of the record's; to send it twice changes nothing.

    Parameters
    ----------
    client : MlflowClient
    header : RunHeader
        Its run is there.
    entry : dict
    places : mapping of str to Path
        Where the files of the entry are.
    """
    run_id = header.run_id or ""
    if "process" in entry:
        _reopen(client, run_id, entry["process"])
    if "data" in entry:
        _send_data(client, run_id, **entry["data"])
    for name, path in places.items():
        if path.name == MODEL_FILE:
            rename_run(path, header.record_id, run_id)
        client.log_artifact(run_id, str(path), str(PurePosixPath(name).parent) if "/" in name else None)
    _send_values(client, run_id, entry, header.record_id)
    if "status" in entry:
        client.set_terminated(run_id, entry["status"], entry["ended"])


def _reopen(client: "MlflowClient", run_id: str, process: str) -> None:
    client.update_run(run_id, status="RUNNING")
    if FAILURE_TAG in client.get_run(run_id).data.tags:  # of an earlier attempt
        client.delete_tag(run_id, FAILURE_TAG)
    client.set_tag(run_id, PROCESS_TAG, process)


def _send_data(client: "MlflowClient", run_id: str, name: str, digest: str, profile: Mapping[str, int]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(name, digest, "code", json.dumps({"dataset": name}), profile=json.dumps(profile))
    client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])


def _send_values(client: "MlflowClient", run_id: str, entry: Entry, record_id: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    metrics = [Metric(*point) for point in entry.get("metrics", ())]
    parameters = [Param(key, value) for key, value in entry.get("parameters", {}).items()]
    tags = [RunTag(key, value.replace(record_id, run_id)) for key, value in entry.get("tags", {}).items()]
    first = ITEMS_PER_BATCH - len(parameters) - len(tags)
    if metrics or parameters or tags:
        client.log_batch(run_id, metrics[:first], parameters, tags)
    for position in range(first, len(metrics), ITEMS_PER_BATCH):
        client.log_batch(run_id, metrics[position : position + ITEMS_PER_BATCH])
