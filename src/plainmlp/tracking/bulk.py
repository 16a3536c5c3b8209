"""Runs that are over, written in one transaction into MLflow's database, if that is a file of our own.

The client takes five transactions and a dozen queries, ten times as long; it serves servers and other databases.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shutil import move
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from plainmlp.tracking.addresses import database_file, local_folder
from plainmlp.tracking.outbox import Entry, Point, RunHeader
from plainmlp.tracking.tags import PROCESS_TAG, RECORD_TAG
from plainmlp.tracking.terminal import show_warning

if TYPE_CHECKING:
    from sqlalchemy import Engine

LARGEST = 1.7976931348623157e308  # what MLflow makes of infinities
RUN_COLUMNS = (
    "run_uuid name source_type source_name entry_point_name user_id status start_time end_time deleted_time "
    "source_version lifecycle_stage artifact_uri experiment_id"
)
VALUE_COLUMNS = "key value run_uuid"
METRIC_COLUMNS = "key value timestamp run_uuid step is_nan"


@cache
def is_known() -> bool:
    """Say whether this version of MLflow has the tables that `write_runs` writes; warn once if not."""
    try:
        columns = [{column.name for column in table.columns} for table in _tables()]
    except (ImportError, AttributeError):
        columns = []
    known = (RUN_COLUMNS, VALUE_COLUMNS, VALUE_COLUMNS, METRIC_COLUMNS, METRIC_COLUMNS)
    if columns == [set(names.split()) for names in known]:
        return True
    show_warning(f"MLflow {version('mlflow')} has other tables than this version knows; recording a sweep takes longer")
    return False


def writes_at_once(address: str, experiment_id: str) -> bool:
    """Say whether `write_runs` can write into a store: a known SQLite file whose artifacts are in a folder here."""
    is_ours = database_file(address) is not None and is_known()
    return is_ours and local_folder(_artifact_location(address, experiment_id)) is not None


def write_runs(address: str, experiment_id: str, runs: Sequence[tuple[RunHeader, Entry, Path | None]]) -> list[str]:
    """Write runs, all of them whole or none, as the client would, and return their ids.

    `writes_at_once` approves the store; each entry has metrics, parameters, status and end; the folders of artifacts are
    moved, and stay where they are if nothing is written.
    """
    from sqlalchemy import insert

    location, run_ids = _artifact_location(address, experiment_id), [uuid4().hex for _ in runs]
    tables: list[list[dict[str, Any]]] = [[] for _ in _tables()]
    folders = {}
    for run_id, (header, entry, artifacts) in zip(run_ids, runs, strict=True):
        place = f"{location}/{run_id}/artifacts"
        if artifacts is not None and (folder := local_folder(place)) is not None:
            folders[artifacts] = folder
        run = _run_row(header, entry) | {"artifact_uri": place, "experiment_id": int(experiment_id)}
        for table, rows in zip(tables, ([run], *_value_rows(run_id, header, entry)), strict=True):
            table += [{**row, "run_uuid": run_id} for row in rows]
    with _moved(folders), _engine(address).begin() as connection:
        for model, rows in zip(_tables(), tables, strict=True):
            if rows:
                connection.execute(insert(model), rows)
    return run_ids


@contextmanager
def _moved(folders: Mapping[Path, Path]) -> Iterator[None]:
    """Move folders to new places; after an exception in the block they are back."""
    done: dict[Path, Path] = {}
    try:
        for source, place in folders.items():
            place.parent.mkdir(parents=True)
            move(source, place)
            done[source] = place
        yield
    except BaseException:
        for source, place in done.items():
            move(place, source)
        raise


def _value_rows(run_id: str, header: RunHeader, entry: Entry) -> tuple[list[dict[str, Any]], ...]:
    """Return the rows of a run's tags, parameters and metrics, and of the last value of each metric."""
    own = {key: value.replace(header.record_id, run_id) for key, value in entry.get("tags", {}).items()}
    tags = {**header.tags, **own, RECORD_TAG: header.record_id, "mlflow.runName": header.name}
    if entry["status"] == "FINISHED":
        del tags[PROCESS_TAG]  # who writes a run: nothing asks it of one that has finished
    values = [[{"key": key, "value": value} for key, value in each.items()] for each in (tags, entry["parameters"])]
    points = [dict(row) for row in dict.fromkeys(map(_stored, entry["metrics"]))]  # MLflow takes equal points for one
    latest = {row["key"]: row for row in sorted(points, key=lambda row: (row["step"], row["timestamp"], row["value"]))}
    return (*values, points, [latest[key] for key in dict.fromkeys(row["key"] for row in points)])


@cache
def _engine(address: str) -> "Engine":
    from sqlalchemy import create_engine

    return create_engine(address)


@cache
def _artifact_location(address: str, experiment_id: str) -> str:
    """Return where the artifacts of an experiment are."""
    from mlflow import MlflowClient

    return str(MlflowClient(address).get_experiment(experiment_id).artifact_location).rstrip("/")


def _tables() -> tuple[Any, ...]:
    """Return MLflow's tables of runs, their tags, parameters and metrics, and the last value of each metric."""
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

    return tuple(model.__table__ for model in (SqlRun, SqlTag, SqlParam, SqlMetric, SqlLatestMetric))


def _run_row(header: RunHeader, entry: Entry) -> dict[str, Any]:
    return {
        "name": header.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": header.tags.get("mlflow.user", "unknown"),
        "status": entry["status"],
        "start_time": header.started,
        "end_time": entry["ended"],
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
    }


def _stored(point: Point) -> tuple[tuple[str, Any], ...]:
    """Return a metric as MLflow stores it, which knows no NaN and no infinity."""
    name, value, stamp, epoch = point
    is_nan = math.isnan(value)
    stored = 0.0 if is_nan else max(-LARGEST, min(LARGEST, value))
    return ("key", name), ("value", stored), ("timestamp", stamp), ("step", epoch), ("is_nan", is_nan)
