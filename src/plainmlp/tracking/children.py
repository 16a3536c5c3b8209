"""The runs of a sweep's points: their ids, read from a database file without MLflow, and the model of one of them."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import database_file, local_folder, shown_address
from plainmlp.tracking.datasets import DataInput
from plainmlp.tracking.outbox import PREFIX, RunHeader, metric_points
from plainmlp.tracking.run import MODEL_FOLDER, TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import StoredRun, read_run
from plainmlp.tracking.tags import MODEL_TAG, PARENT_TAG, POINT_TAG, RECORD_TAG, SWEEP_TAG

MODEL_FILE = "model.safetensors"  # among the artifacts of a run
IS_THERE = "r.status = 'FINISHED' AND r.lifecycle_stage = 'active'"
SWEEP = f"""SELECT r.run_uuid, r.experiment_id, r.artifact_uri FROM runs r
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = '{RECORD_TAG}' AND t.value = ?
JOIN experiments e ON e.experiment_id = r.experiment_id AND e.name = ? AND e.lifecycle_stage = 'active'
WHERE {IS_THERE}"""  # noqa: S608  of our own words alone
POINTS = f"""SELECT p.value, r.run_uuid, EXISTS (SELECT * FROM tags m WHERE m.run_uuid = r.run_uuid AND m.key = '{MODEL_TAG}')
FROM runs r JOIN tags p ON p.run_uuid = r.run_uuid AND p.key = '{POINT_TAG}'
JOIN tags b ON b.run_uuid = r.run_uuid AND b.key = '{PARENT_TAG}' AND b.value = ?
WHERE {IS_THERE}"""  # noqa: S608


@dataclass(frozen=True)
class FinishedSweep:
    """The run of a sweep: its id and experiment, the folder of its files, and the runs of its finished points.

    `runs` has their ids by the ids of the points; `with_model` those that carry a model.
    """

    run_id: str
    experiment_id: str
    files: Path
    runs: Mapping[str, str]
    with_model: frozenset[str]


def read_finished(address: str, experiment: str, record_id: str) -> FinishedSweep | None:
    """Return a sweep that a database file holds as finished, with its artifacts in a local folder.

    None says nothing: another store, or tables of another version, are for MLflow to read, whose import takes longer.
    """
    found = _rows(address, SWEEP, record_id, experiment)
    points = _rows(address, POINTS, found[0][0]) if len(found) == 1 else []
    files = local_folder(found[0][2]) if points else None
    if files is None:
        return None
    run_id, experiment_id, _ = found[0]
    with_model = frozenset(run for _, run, has_model in points if has_model)
    return FinishedSweep(run_id, str(experiment_id), files, {point: run for point, run, _ in points}, with_model)


def finished_children(store: Store, parent: TrackedRun) -> list[StoredRun]:
    """Return the runs of the finished points below another, with nothing but their ids if one query can find these."""
    points = [] if parent.run_id is None or store.connection.is_away else _rows(store.address, POINTS, parent.run_id)
    if points:
        return [StoredRun(run_id, "FINISHED", {}, {POINT_TAG: point}, {}) for point, run_id, _ in points]
    return store.recorded_children(parent)


def _rows(address: str, statement: str, *values: str) -> list[Any]:
    """Return the rows that a database file answers; none from another store, or from tables of another version."""
    database = database_file(address)
    if database is None or not database.is_file():
        return []
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()
    except sqlite3.Error:
        return []


def model_address(run_id: str) -> str:
    """Return the address under which MLflow loads the model of a run."""
    return f"runs:/{run_id}/{MODEL_FOLDER}"


def refuse_without_model(run: StoredRun) -> None:
    """Raise an `InputError` for a run that trained no model: a sweep's own, or one that has not finished."""
    if run.status != "FINISHED" or SWEEP_TAG in run.tags:
        what = "a sweep's own run" if SWEEP_TAG in run.tags else run.status
        message = f"{run.run_id} is {what}, which has no model (allowed: a finished run, such as a point of a sweep)"
        raise InputError(message)


def add_model(store: Store, run_id: str, data: Callable[[], Sequence[DataInput]] = tuple) -> str:
    """Add its model to a finished run of this checkout, unless it has it; return the address that MLflow loads.

    `data` returns the data that the run used, to be listed with it; a sweep does not list them for its points.

    Raises
    ------
    InputError
        There is no such run, it has not finished or is a sweep's own, another checkout recorded it, or MLflow cannot be
        reached.
    """
    run = read_run(store, run_id)
    if MODEL_TAG in run.tags:
        return model_address(run_id)
    refuse_without_model(run)
    info = store.ask(lambda: store.client.get_run(run_id)).info
    place = shown_address(store.address), store.experiment
    header = RunHeader(run.tags.get(RECORD_TAG, PREFIX), *place, info.run_name, {}, info.start_time, run_id)
    with TemporaryDirectory() as folder:
        path = store.ask(lambda: store.client.download_artifacts(run_id, MODEL_FILE, folder))
        points = metric_points({name: [value] for name, value in run.metrics.items()}, info.end_time)
        end = {"data": data(), "status": run.status, "ended": info.end_time}
        store.run(header).add_model(Path(path), points, end)
    return model_address(run_id)
