"""One run that MLflow has: read whole, and marked with the outcome of its verification."""

import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

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
    artifacts: str  # the address of its files


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
    return StoredRun(
        run_id, run.info.status, dict(data.params), dict(data.tags), dict(data.metrics), run.info.artifact_uri
    )


def _ask(store: Store, function: Callable[[], Answer]) -> Answer:
    """Return what a function gets from the store, or raise InputError if that cannot be reached."""
    try:
        return store.connection.call(function)
    except AwayError as error:
        raise refusal(store.address, str(error)) from error


def download_files(store: Store, run: StoredRun, folder: Path) -> dict[str, str]:
    """Copy all files of a run to a folder; return what is wrong with those that are no plain files, by their names.

    Raises
    ------
    InputError
        MLflow cannot be reached, or a server names a folder of this machine.
    """
    place = urlsplit(run.artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    if place.scheme not in {"", "file"}:
        _ask(store, lambda: store.client.download_artifacts(run.run_id, "", str(folder)))
        return {}
    if store.address.startswith("http"):
        message = f"{run.run_id} has its files in {run.artifacts}, which the server cannot know to be here"
        raise InputError(message)
    source = Path(url2pathname(place.path) if place.scheme else run.artifacts)
    return _copy_plain(source, folder) if source.is_dir() else {}


def _copy_plain(source: Path, target: Path, prefix: str = "") -> dict[str, str]:
    """Copy the files of a folder, following no link and reading no pipe or device."""
    problems: dict[str, str] = {}
    for path in sorted(source.iterdir()):
        mode, name = path.lstat().st_mode, f"{prefix}{path.name}"
        try:
            if stat.S_ISDIR(mode):
                (target / path.name).mkdir()
                problems |= _copy_plain(path, target / path.name, f"{name}/")
            elif stat.S_ISREG(mode):
                shutil.copyfile(path, target / path.name)
            else:
                problems[name] = "is a link, a pipe or a device in place of a file"
        except OSError as error:
            problems[name] = f"cannot be read ({error.strerror})"
    return problems


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
