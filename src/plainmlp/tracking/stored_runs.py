"""One run that MLflow has: read whole, and marked with the outcome of its verification."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from plainmlp.system.errors import InputError
from plainmlp.system.process import is_elsewhere, machine_of, own_process
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.database import refusal
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import FAILURE_TAG, PROCESS_TAG

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class StoredRun:
    """A run as MLflow has it, each metric with its last value."""

    run_id: str
    status: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def read_run(store: Store, run_id: str) -> StoredRun:
    """Return a run of any experiment of a store.

    Raises
    ------
    InputError
        There is no such run, or MLflow cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = _ask(store, lambda: store.client.get_run(run_id))
    except MlflowException as error:
        message = f"{run_id!r} is no run in {without_credentials(store.address)}"
        raise InputError(message) from error
    data = run.data
    return StoredRun(run_id, run.info.status, dict(data.params), dict(data.tags), dict(data.metrics))


def _ask(store: Store, function: Callable[[], Answer]) -> Answer:
    """Return what a function gets from the store, or raise InputError if that cannot be reached."""
    try:
        return store.connection.call(function)
    except AwayError as error:
        raise refusal(store.address, str(error)) from error


def download_files(store: Store, run_id: str, places: Mapping[str, Path]) -> None:
    """Copy files of a run, as far as it has them, to places by the names of the artifacts.

    Raises
    ------
    InputError
        MLflow cannot be reached.
    """
    folders = {name.rpartition("/")[0] or None for name in places}
    present = {
        file.path for folder in folders for file in _ask(store, partial(store.client.list_artifacts, run_id, folder))
    }
    for name, place in places.items():
        if name in present:
            place.parent.mkdir(parents=True, exist_ok=True)
            fetch = partial(store.client.download_artifacts, run_id, name, str(place.parent))
            Path(_ask(store, fetch)).replace(place)


def read_curves(store: Store, run_id: str, names: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    """Return every point of metrics, as epoch and value, in the order of the epochs.

    Raises
    ------
    InputError
        MLflow cannot be reached.
    """
    histories = {name: _ask(store, partial(store.client.get_metric_history, run_id, name)) for name in names}
    return {name: sorted((point.step, point.value) for point in points) for name, points in histories.items()}


def running_elsewhere(store: Store) -> list[str]:
    """Return a line for each run of an experiment that is RUNNING on another machine, as far as MLflow knows.

    Raises
    ------
    InputError
        MLflow cannot be reached.
    """
    runs = _ask(store, lambda: list(store.search("attributes.status = 'RUNNING'", store.experiment_id)))
    return [_running_line(run) for run in runs if is_elsewhere(run.data.tags.get(PROCESS_TAG, own_process()))]


def _running_line(run: Any) -> str:
    began = datetime.fromtimestamp(run.info.start_time / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{run.info.run_name}  {run.info.run_id}  on {machine_of(run.data.tags[PROCESS_TAG])} since {began}"


def end_elsewhere(store: Store, run_id: str) -> None:
    """End a run as KILLED whose process, on another machine, the user knows to be gone.

    Raises
    ------
    InputError
        There is no such run, it is not RUNNING on another machine, or MLflow cannot be reached.
    """
    run = read_run(store, run_id)
    process = run.tags.get(PROCESS_TAG, own_process())
    if run.status != "RUNNING" or not is_elsewhere(process):
        message = f"{run_id!r} is {run.status} on {machine_of(process)} (allowed: a run that is RUNNING elsewhere)"
        raise InputError(message)
    reason = f"its process on {machine_of(process)} was killed"
    _ask(store, lambda: store.client.set_tag(run_id, FAILURE_TAG, reason))
    _ask(store, lambda: store.client.set_terminated(run_id, "KILLED"))


def add_verification(store: Store, run_id: str, tags: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Add to a run that is over the outcome of its verification: tags, and texts by the names of the artifacts.

    Raises
    ------
    InputError
        MLflow cannot be reached.
    """
    for name, text in files.items():
        _ask(store, partial(store.client.log_text, run_id, text, name))
    for key, value in tags.items():
        _ask(store, partial(store.client.set_tag, run_id, key, value))
