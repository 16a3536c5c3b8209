"""The runs of a sweep's points: their ids, and the model of one of them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import shown_address
from plainmlp.tracking.bulk import point_ids, writes_at_once
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.datasets import DataInput, as_entry
from plainmlp.tracking.outbox import PREFIX, RunHeader, metric_points
from plainmlp.tracking.run import MODEL_FOLDER, TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import StoredRun, read_run
from plainmlp.tracking.tags import MODEL_TAG, POINT_TAG, RECORD_TAG, SWEEP_TAG

MODEL_FILE = "model.safetensors"  # among the artifacts of a run


def finished_children(store: Store, parent: TrackedRun) -> list[StoredRun]:
    """Return the runs of the finished points below another, with nothing but their ids if one query can find these."""
    call, place = store.connection.call, (store.address, store.experiment_id)
    with suppress(AwayError):
        if parent.run_id is not None and call(lambda: writes_at_once(*place)):
            found = call(lambda: point_ids(store.address, parent.reference))
            return [StoredRun(run_id, "FINISHED", {}, {POINT_TAG: point}, {}) for point, run_id in found.items()]
    return store.recorded_children(parent)


def model_address(run_id: str) -> str:
    """Return the address under which MLflow loads the model of a run."""
    return f"runs:/{run_id}/{MODEL_FOLDER}"


def add_model(store: Store, run_id: str, data: Callable[[], Sequence[DataInput]] = tuple) -> str:
    """Add its model to a finished run of this checkout, unless it has it; return the address that MLflow loads.

    Parameters
    ----------
    store : Store
    run_id : str
    data : callable
        Returns the data that the run used, to be listed with it; a sweep does not list them for its points.

    Raises
    ------
    InputError
        There is no such run, it has not finished or is a sweep's own, another checkout recorded it, or MLflow cannot be
        reached.
    """
    run = read_run(store, run_id)
    if MODEL_TAG in run.tags:
        return model_address(run_id)
    if run.status != "FINISHED" or SWEEP_TAG in run.tags:
        what = "a sweep's own run" if SWEEP_TAG in run.tags else run.status
        message = f"{run_id} is {what}, which has no model (allowed: a finished run, such as a point of a sweep)"
        raise InputError(message)
    info = store.ask(lambda: store.client.get_run(run_id)).info
    place = shown_address(store.address), store.experiment
    header = RunHeader(run.tags.get(RECORD_TAG, PREFIX), *place, info.run_name, {}, info.start_time, run_id)
    with TemporaryDirectory() as folder:
        path = store.ask(lambda: store.client.download_artifacts(run_id, MODEL_FILE, folder))
        points = metric_points({name: [value] for name, value in run.metrics.items()}, info.end_time)
        end = {"data": as_entry(data()), "status": run.status, "ended": info.end_time}
        store.resumed(header).add_model(Path(path), points, end)
    return model_address(run_id)
