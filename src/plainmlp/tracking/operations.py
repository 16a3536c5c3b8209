"""Operations: what is done to a run, as values that JSON can hold, and how each is sent to MLflow.

Sending an operation twice changes nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainmlp.system.process import own_process
from plainmlp.tracking.tags import FAILURE_TAG, PROCESS_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

Operation = dict[str, Any]
Point = tuple[str, float, int, int]  # a metric's name, its value, when it was measured, the epoch


def use_data(name: str, digest: str, profile: Mapping[str, int]) -> Operation:
    """Return the operation that names the data set of a run."""
    return {"kind": "data", "name": name, "digest": digest, "profile": dict(profile)}


def log_values(
    metrics: Iterable[Point] = (), parameters: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
) -> Operation:
    """Return the operation that adds metrics, parameters and tags."""
    points = [(name, float(value), stamp, epoch) for name, value, stamp, epoch in metrics]
    return {"kind": "values", "metrics": points, "parameters": dict(parameters or {}), "tags": dict(tags or {})}


def log_files(folder: str | None) -> Operation:
    """Return the operation that keeps a file, or the content of a folder, below a folder of the artifacts."""
    return {"kind": "files", "folder": folder}


def begin_again() -> Operation:
    """Return the operation that lets a run that has ended go on."""
    return {"kind": "again", "process": own_process()}


def end(status: str, stamp: int) -> Operation:
    """Return the operation that closes a run."""
    return {"kind": "end", "status": status, "stamp": stamp}


def metric_points(curves: Mapping[str, Sequence[float]], stamp: int) -> list[Point]:
    """Return every value of every curve, measured at one time, in milliseconds."""
    return [(name, value, stamp, epoch) for name, values in curves.items() for epoch, value in enumerate(values)]


def send(client: "MlflowClient", run_id: str, operation: Operation, source: Path | None = None) -> None:
    """Do an operation in MLflow.

    Parameters
    ----------
    client : MlflowClient
    run_id : str
    operation : dict
    source : Path, optional
        The file or folder that `log_files` is about.
    """
    SENDERS[operation["kind"]](client, run_id, operation, source)


def _send_data(client: "MlflowClient", run_id: str, operation: Operation, _: Path | None) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, profile = operation["name"], json.dumps(operation["profile"])
    entity = Dataset(name, operation["digest"], "code", json.dumps({"dataset": name}), profile=profile)
    client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])


def _send_values(client: "MlflowClient", run_id: str, operation: Operation, _: Path | None) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client.log_batch(
        run_id,
        [Metric(*point) for point in operation["metrics"]],
        [Param(key, value) for key, value in operation["parameters"].items()],
        [RunTag(key, value) for key, value in operation["tags"].items()],
    )


def _send_files(client: "MlflowClient", run_id: str, operation: Operation, source: Path | None) -> None:
    log = client.log_artifacts if source is not None and source.is_dir() else client.log_artifact
    log(run_id, str(source), operation["folder"])


def _send_again(client: "MlflowClient", run_id: str, operation: Operation, _: Path | None) -> None:
    client.update_run(run_id, status="RUNNING")
    if FAILURE_TAG in client.get_run(run_id).data.tags:  # of an earlier attempt
        client.delete_tag(run_id, FAILURE_TAG)
    client.set_tag(run_id, PROCESS_TAG, operation["process"])


def _send_end(client: "MlflowClient", run_id: str, operation: Operation, _: Path | None) -> None:
    client.set_terminated(run_id, operation["status"], operation["stamp"])


SENDERS = {
    "again": _send_again,
    "data": _send_data,
    "end": _send_end,
    "files": _send_files,
    "values": _send_values,
}
