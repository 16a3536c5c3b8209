"""A finished sweep, read from the file of MLflow's database without MLflow, whose import would take longer than reading."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from plainmlp.tracking.addresses import database_file
from plainmlp.tracking.tags import MODEL_TAG, PARENT_TAG, POINT_TAG, RECORD_TAG

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

    None says nothing: another store, or tables of another version, are for MLflow to read.
    """
    database = database_file(address)
    if database is None or not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(SWEEP, (record_id, experiment)).fetchall()
            points = connection.execute(POINTS, (found[0][0],)).fetchall() if len(found) == 1 else []
    except sqlite3.Error:
        return None
    if not points or urlsplit(found[0][2]).scheme not in {"", "file"}:
        return None
    run_id, experiment_id, place = found[0]
    files = Path(url2pathname(urlsplit(place).path) if urlsplit(place).scheme else place)
    with_model = frozenset(run for _, run, has_model in points if has_model)
    return FinishedSweep(run_id, str(experiment_id), files, {point: run for point, run, _ in points}, with_model)
