"""How a run is created in MLflow, found there, and sent piece by piece; every piece may be sent twice."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from plainmlp.tracking.connection import is_away
from plainmlp.tracking.models import MODEL_FILE, rename_run
from plainmlp.tracking.outbox import Entry, RunHeader
from plainmlp.tracking.tags import FAILURE_TAG, PROCESS_TAG, RECORD_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

ITEMS_PER_BATCH = 1000  # MLflow refuses more in one call


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
        client.log_artifact(run_id, str(path), name.rpartition("/")[0] or None)
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
