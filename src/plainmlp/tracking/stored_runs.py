"""The runs in MLflow: found, read whole, and marked from outside."""

import json
import re
import shlex
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import urlsplit

from plainmlp.system.errors import InputError
from plainmlp.system.process import is_elsewhere, machine_of, own_process
from plainmlp.tracking.addresses import local_folder
from plainmlp.tracking.connection import SERVERS, AwayError, Connection, one_line, refusal
from plainmlp.tracking.credentials import without_credentials
from plainmlp.tracking.outbox import Outbox, RunHeader, last_status, merged
from plainmlp.tracking.tags import FAILURE_TAG, KILLED, PARENT_TAG, POINT_TAG, PROCESS_TAG
from plainmlp.training.history import History, read_history

RUNS_AT_ONCE = 1000
HISTORY = "history.csv"
LOCAL_SCHEMES = {"", "file", "runs", "models"}  # of artifacts; the last two name places that a server names again
VIEW_TAG = "mlflow.sharedViewState."  # begins the tags of an experiment in which MLflow's pages keep shared views
WORKFLOW = "workflowType=machine_learning"  # without it MLflow opens its pages for traces and prompts
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class StoredRun:
    """A run in MLflow or the outbox: the last value of each metric, and the address of its files."""

    run_id: str
    status: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str = ""  # the address of its files

    @property
    def point_id(self) -> str:
        """Return the id of the point that the run computes, if it does."""
        return self.tags.get(POINT_TAG, "")

    @property
    def failure(self) -> str:
        """Return why the run failed, if it did."""
        return self.tags.get(FAILURE_TAG, "")


class Reader:
    """Reads the runs of an MLflow experiment; the client is None, and the id empty, until the store has been opened."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.address = connection, connection.address
        self.client: Any = None
        self.experiment_id = ""
        self.places: dict[str, str] = {}  # of the artifacts of the runs that were created here, by their ids

    def ask(self, function: Callable[[], Answer]) -> Answer:
        """Return the result of a function that asks the store, or raise InputError if the store cannot be reached."""
        try:
            return self.connection.call(function)
        except AwayError as error:
            raise refusal(self.address, str(error)) from error

    def page(self, run_id: str) -> str:
        """Return the address of a run's page, or how to start a server that shows it."""
        return page_of(self.address, self.experiment_id, run_id)

    def share_view(self, name: str, view: Mapping[str, Any]) -> str:
        """Keep a view of the page of runs, and return its address there; empty if the store cannot or may not take it."""
        from mlflow.exceptions import MlflowException

        text = json.dumps(view, separators=(",", ":"))
        with suppress(AwayError, MlflowException):
            self.connection.call(lambda: self.client.set_experiment_tag(self.experiment_id, f"{VIEW_TAG}{name}", text))
            return f"#/experiments/{self.experiment_id}/runs?viewStateShareKey={name}&compareRunsMode=CHART&{WORKFLOW}"
        return ""

    def artifacts(self, run_id: str) -> Any:
        """Return what writes files into a run's artifacts, as `artifacts_at` does."""
        place = self.places.get(run_id) or self.client.get_run(run_id).info.artifact_uri
        return self.artifacts_at(place)

    def artifacts_at(self, place: str) -> Any:
        """Return what writes files to an address; the client would write wherever a server tells it to.

        Raises InputError if a server names a path, which would be one on this machine.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if self.address.startswith(SERVERS) and urlsplit(place).scheme in LOCAL_SCHEMES:
            message = (
                f"tracking.uri = {without_credentials(self.address)!r}: its artifacts would be written on this machine, "
                f"to {place!r} (allowed: a server that takes them, as mlflow server --artifacts-destination does, and an "
                "experiment that it made)"
            )
            raise InputError(message)
        return get_artifact_repository(place, tracking_uri=self.address)

    def search(self, condition: str, experiment_id: str = "") -> Iterator[Any]:
        """Yield the runs of an experiment (default: this one) that meet a condition, or raise AwayError."""
        places = [experiment_id or self.experiment_id]
        token: str | None = ""
        while token is not None:
            search = partial(self.client.search_runs, places, condition, max_results=RUNS_AT_ONCE, page_token=token)
            page: Any = self.connection.call(search)
            yield from page
            token = page.token or None

    def sent_children(self, parent_run_id: str) -> list[StoredRun]:
        """Return the runs below another that MLflow has, or raise AwayError."""
        experiment = self.connection.call(lambda: self.client.get_run(parent_run_id).info.experiment_id)
        return [_stored(run) for run in self.search(f"tags.`{PARENT_TAG}` = '{parent_run_id}'", experiment)]

    def children(self, parent_run_id: str) -> list[StoredRun]:
        """Return the runs below another of any experiment, or raise InputError as `read_run` does."""
        with _refusing(self, parent_run_id):
            return self.sent_children(parent_run_id)

    def read_artifact(self, run_id: str, name: str) -> str:
        """Return the text of one of a run's files; raise InputError if there is none, or MLflow cannot be reached."""
        from mlflow.exceptions import MlflowException

        if self.connection.is_away:
            raise refusal(self.address, self.connection.reason)
        try:
            with TemporaryDirectory() as folder:
                return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError, UnicodeDecodeError) as error:
            message = f"run={run_id}: there is no such run with a file {name} in {without_credentials(self.address)} ({one_line(error)})"
            raise InputError(message) from error

    def history(self, run: StoredRun) -> History:
        """Return the history of a run from its artifacts, since MLflow would take longer for each curve.

        Raises InputError if its history.csv is missing or damaged.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        place = f"{run.artifacts}/{HISTORY}"
        try:
            with TemporaryDirectory() as folder:
                return read_history(
                    Path(download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=self.address))
                )
        except (MlflowException, OSError) as error:
            message = f"{place}: cannot be read ({one_line(error)})"
            raise InputError(message) from error


def page_of(address: str, experiment_id: str, run_id: str) -> str:
    """Return where to look at a run of a store: its page, or how to start a server that shows it."""
    page, shown = f"#/experiments/{experiment_id}/runs/{run_id}?{WORKFLOW}", without_credentials(address)
    if shown.startswith("http"):
        return f"{shown.rstrip('/')}/{page}"
    return f"http://127.0.0.1:5000/{page} after: mlflow ui --backend-store-uri {shlex.quote(shown)}"


def read_run(reader: Reader, run_id: str) -> StoredRun:
    """Return a run of any experiment of a store; raise InputError if there is none, or MLflow cannot be reached."""
    with _refusing(reader, run_id):
        return _stored(reader.connection.call(lambda: reader.client.get_run(run_id)))


def whole_run_id(reader: Reader, beginning: str) -> str:
    """Return the id of the run of any experiment whose id begins so; raise InputError if there are several."""
    if not re.fullmatch(r"[0-9a-f]{4,31}", beginning):
        return beginning
    every = [each.experiment_id for each in reader.ask(lambda: list(reader.client.search_experiments()))]
    runs = reader.ask(lambda: reader.client.search_runs(every, f"attributes.run_id LIKE '{beginning}%'", max_results=9))
    if len(runs) > 1:
        message = f"{beginning!r} begins several run ids: {', '.join(run.info.run_id for run in runs)}"
        raise InputError(message)
    return str(runs[0].info.run_id) if runs else beginning


@contextmanager
def _refusing(reader: Reader, run_id: str) -> Iterator[None]:
    """Turn the errors of reading a run into one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except AwayError as error:
        raise refusal(reader.address, str(error)) from error
    except MlflowException as error:
        message = f"{run_id!r} is not a run in {without_credentials(reader.address)}"
        raise InputError(message) from error


def _stored(run: Any) -> StoredRun:
    info, data = run.info, run.data
    return StoredRun(
        info.run_id, info.status, dict(data.params), dict(data.tags), dict(data.metrics), info.artifact_uri
    )


def waiting_run(outbox: Outbox, header: RunHeader) -> StoredRun:
    """Return a run that is in the outbox."""
    entries, place = outbox.entries(header.record_id), outbox.files(header.record_id).as_uri()
    tags, parameters = {**header.tags, **merged(entries, "tags")}, merged(entries, "parameters")
    metrics = {name: value for entry in entries for name, value, _, _ in entry.get("metrics", ())}
    return StoredRun(header.record_id, last_status(entries) or "RUNNING", parameters, tags, metrics, place)


def download_files(reader: Reader, run: StoredRun, folder: Path) -> dict[str, str]:
    """Copy all files of a run to a folder; return the problem of each that is not a plain file, by its name.

    Raises InputError if MLflow cannot be reached, or a server names a local folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if reader.address.startswith(SERVERS) and urlsplit(run.artifacts).scheme in LOCAL_SCHEMES:
        message = f"{run.run_id} has its files in {run.artifacts}, which the server cannot know to be here"
        raise InputError(message)
    source = local_folder(run.artifacts)
    if source is None:
        reader.ask(lambda: reader.client.download_artifacts(run.run_id, "", str(folder)))
        return {}
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


def read_curves(reader: Reader, run_id: str, names: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    """Return every point of metrics, as epoch and value in order; raise InputError if MLflow cannot be reached."""
    histories = {name: reader.ask(partial(reader.client.get_metric_history, run_id, name)) for name in names}
    return {name: sorted((point.step, point.value) for point in points) for name, points in histories.items()}


def running_elsewhere(reader: Reader) -> list[str]:
    """Return a line for each run that is RUNNING on another machine; raise InputError if MLflow cannot be reached."""
    runs = reader.ask(lambda: list(reader.search("attributes.status = 'RUNNING'")))
    return [_running_line(run) for run in runs if is_elsewhere(run.data.tags.get(PROCESS_TAG, own_process()))]


def _running_line(run: Any) -> str:
    began = datetime.fromtimestamp(run.info.start_time / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
    return f"{run.info.run_name}  {run.info.run_id}  on {machine_of(run.data.tags[PROCESS_TAG])} since {began}"


def end_elsewhere(reader: Reader, run_id: str) -> None:
    """End a run as KILLED; the user knows that its process, on another machine, is gone.

    Raises InputError if there is no such run, it is not RUNNING on another machine, or MLflow cannot be reached.
    """
    run = read_run(reader, run_id)
    process = run.tags.get(PROCESS_TAG, own_process())
    if run.status != "RUNNING" or not is_elsewhere(process):
        message = f"{run_id!r} is {run.status} on {machine_of(process)} (allowed: a run that is RUNNING elsewhere)"
        raise InputError(message)
    reason = f"its process on {machine_of(process)} was killed"
    reader.ask(lambda: reader.client.set_tag(run_id, FAILURE_TAG, reason))
    reader.ask(lambda: reader.client.set_terminated(run_id, KILLED))


def add_verification(reader: Reader, run_id: str, tags: Mapping[str, str], files: Mapping[str, str]) -> None:
    """Add the outcome of a verification to a finished run: tags, and texts by the names of their artifacts.

    Raises InputError if MLflow cannot be reached.
    """
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if files:
            reader.ask(lambda: reader.artifacts(run_id).log_artifacts(folder))
    for key, value in tags.items():
        reader.ask(partial(reader.client.set_tag, run_id, key, value))
