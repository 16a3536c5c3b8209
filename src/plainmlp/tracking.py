"""Tracking: the record of every run in MLflow, a mirror of the files that the run wrote.

The only module that imports MLflow, and it does so late: MLflow takes a second to import.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from plainmlp.errors import InputError
from plainmlp.history import History, read_history
from plainmlp.process import is_dead, own_process
from plainmlp.schema import TrackingSection

if TYPE_CHECKING:
    from pandas import DataFrame

LONGEST_PARAMETER = 6000  # MLflow cuts longer values
METRICS_AT_ONCE = 1000  # MLflow refuses more in one call
SHORTENED = " ... (shortened; whole in config.yaml)"
SQLITE = "sqlite:///"
ADDRESSES = "sqlite:///<file>, or the address of an MLflow server or its database"
WORKFLOW = "workflowType=machine_learning"  # MLflow's pages are about language models otherwise
MODEL_TAG = "mlflow.log-model.history"  # where MLflow's pages look for the models of a run
MODEL_FOLDER = "model"
PROCESS_TAG = "plainmlp.process"  # who writes a run, to tell one that goes on from one whose process was killed
FAILURE_TAG = "failure"  # why a run failed
SWEEP_TAG = "sweep_id"
PARENT_TAG = "mlflow.parentRunId"  # by which MLflow's pages show a run below another
RUNS_AT_ONCE = 1000
HISTORY = "history.csv"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # some 15 s for a server that is away, in place of four minutes
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class DataInput:
    """The data set that a run used: its name, the digest of its arrays, and its sizes."""

    name: str
    digest: str
    profile: Mapping[str, int]


@dataclass(frozen=True)
class Child:
    """A run below another, as MLflow has it.

    Parameters
    ----------
    run_id, point_id, status : str
    parameters, metrics : mapping
        A metric that is a curve has its last value.
    artifacts : str
        The address of its files.
    failure : str
        Why it failed, where it did.
    """

    run_id: str
    point_id: str
    status: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str
    failure: str


def tracking_address(tracking: TrackingSection, root: Path) -> str:
    """Return the MLflow address of a configuration.

    Parameters
    ----------
    tracking : TrackingSection
        `uri` comes first, then MLFLOW_TRACKING_URI, then the database of the checkout.
    root : Path
        The checkout.
    """
    return tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root / 'mlflow.db'}"


class Store:
    """An MLflow experiment that runs are recorded in.

    Parameters
    ----------
    address : str
        As `tracking_address` returns it.
    experiment : str
        Made where it does not exist.

    Raises
    ------
    InputError
        MLflow cannot be reached at the address, or the experiment has been deleted.
    """

    def __init__(self, address: str, experiment: str) -> None:
        self.address = address
        _apply_settings()
        from mlflow import MlflowClient

        with _opening(address), _lock(address):  # the client makes the database
            self.client = MlflowClient(address)
            self.experiment_id = self._find(experiment)
            self._close_abandoned()

    def _close_abandoned(self) -> None:
        """End the runs whose process was killed, so that none looks as if it were still running."""
        for run in self._search("attributes.status = 'RUNNING'"):
            if PROCESS_TAG in run.data.tags and is_dead(run.data.tags[PROCESS_TAG]):
                self.client.set_tag(run.info.run_id, FAILURE_TAG, "its process was killed")
                self.client.set_terminated(run.info.run_id, "KILLED")

    def _search(self, condition: str, experiment_id: str | None = None) -> Iterator[Any]:
        """Yield the runs that meet a condition, of this experiment unless another is named."""
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs(
                [experiment_id or self.experiment_id], condition, max_results=RUNS_AT_ONCE, page_token=token
            )
            yield from page
            token = page.token or None

    def _find(self, experiment: str) -> str:
        """Return the id of the experiment, which is made where it does not exist."""
        found = self.client.get_experiment_by_name(experiment)
        if found is None:
            place = _artifact_location(self.address, experiment)
            return str(self.client.create_experiment(experiment, place))
        if found.lifecycle_stage == "deleted":
            message = (
                f"tracking.experiment = {experiment!r} was deleted in MLflow; restore it there "
                f"(mlflow experiments restore -x {found.experiment_id}) or choose another name"
            )
            raise InputError(message)
        return str(found.experiment_id)

    def start(
        self, point_id: str, name: str, parameters: Mapping[str, str], tags: Mapping[str, str], data: DataInput
    ) -> "TrackedRun":
        """Start a run.

        Parameters
        ----------
        point_id : str
            Of what the run computes; a tag too.
        name : str
            Shown in the list of runs; the first digits of the point id follow it.
        parameters, tags : mapping of str to str
        data : DataInput
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, Param

        run_id = self._create(f"{name} {point_id[:12]}", {"point_id": point_id, **tags})
        run = TrackedRun(self, run_id, point_id)
        entity = Dataset(
            data.name, data.digest, "code", json.dumps({"dataset": data.name}), profile=json.dumps(dict(data.profile))
        )
        with run.closing_on_failure():
            self.client.log_inputs(run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
            self.client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        return run

    def resume(self, run_id: str, point_id: str) -> "TrackedRun | None":
        """Return a run of this experiment to add to, or None where there is none of this point any more."""
        from mlflow.exceptions import MlflowException

        try:
            run = self.client.get_run(run_id)
        except MlflowException:
            return None
        found = (run.info.experiment_id, run.info.lifecycle_stage, run.data.tags.get("point_id"))
        return TrackedRun(self, run_id, point_id) if found == (self.experiment_id, "active", point_id) else None

    def resume_parent(self, sweep_id: str) -> "TrackedRun | None":
        """Return the run of a sweep that was started before, running again, or None where there is none."""
        found = next(self._search(f"tags.`{SWEEP_TAG}` = '{sweep_id}'"), None)
        if found is None:
            return None
        self.client.update_run(found.info.run_id, status="RUNNING")
        if FAILURE_TAG in found.data.tags:  # of an earlier attempt
            self.client.delete_tag(found.info.run_id, FAILURE_TAG)
        self.client.set_tag(found.info.run_id, PROCESS_TAG, own_process())
        return TrackedRun(self, found.info.run_id, "")

    def drop(self, run_id: str) -> None:
        """Move a run to MLflow's deleted ones."""
        self.client.delete_run(run_id)

    def start_parent(self, name: str, parameters: Mapping[str, str], tags: Mapping[str, str]) -> "TrackedRun":
        """Start a run that others are to be shown below; it computes no point itself."""
        from mlflow.entities import Param

        run_id = self._create(name, tags)
        run = TrackedRun(self, run_id, "")
        with run.closing_on_failure():
            self.client.log_batch(run_id, params=[Param(key, value) for key, value in parameters.items()])
        return run

    def add_child(
        self,
        parent_run_id: str,
        point_id: str,
        name: str,
        *,
        parameters: Mapping[str, str],
        tags: Mapping[str, str],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
        artifacts: Path | None,
        status: str,
        started: float,
        ended: float,
    ) -> str:
        """Record a run that is over below another, in as few transactions as MLflow has for it; return its id.

        Parameters
        ----------
        parent_run_id : str
        point_id, name, parameters, tags
            As in `start`.
        metrics : mapping of str to float
            A metric that is a curve already stays that.
        curves : mapping of str to sequence of float
            A value an epoch.
        artifacts : Path, optional
            The folder whose content is kept.
        status : {"FINISHED", "FAILED", "KILLED"}
            The tag `failure` says why, where it failed.
        started, ended : float
            In seconds, as `time.time` has them.
        """
        from mlflow.entities import Param

        start, end = int(started * 1000), int(ended * 1000)
        marks = {"point_id": point_id, PARENT_TAG: parent_run_id, **tags}
        run_id = self._create(f"{name} {point_id[:12]}", marks, start)
        values = _metric_points({**{name: [value] for name, value in metrics.items()}, **curves}, end)
        first = METRICS_AT_ONCE - len(parameters)
        with TrackedRun(self, run_id, point_id).closing_on_failure():
            if artifacts is not None:  # before the rest: MLflow reads all that a run has to find its folder
                self.client.log_artifacts(run_id, str(artifacts))
            params = [Param(key, value) for key, value in parameters.items()]
            self.client.log_batch(run_id, metrics=values[:first], params=params)
            for position in range(first, len(values), METRICS_AT_ONCE):
                self.client.log_batch(run_id, metrics=values[position : position + METRICS_AT_ONCE])
            self.client.set_terminated(run_id, status, end)
        return run_id

    def _create(self, name: str, tags: Mapping[str, str], start: int | None = None) -> str:
        """Create a run and return its id; its tags go with it, which saves a transaction."""
        from mlflow.tracking.context.registry import resolve_tags

        every = {**resolve_tags(), PROCESS_TAG: own_process(), **tags}
        return str(self.client.create_run(self.experiment_id, start, every, run_name=name).info.run_id)

    def children(self, parent_run_id: str) -> list[Child]:
        """Return the runs below another, of whichever experiment that is.

        Raises
        ------
        InputError
            There is no run of this id.
        """
        from mlflow.exceptions import MlflowException

        try:
            experiment = self.client.get_run(parent_run_id).info.experiment_id
        except MlflowException as error:
            message = f"{parent_run_id!r} is no run in {self.address}"
            raise InputError(message) from error
        return [_child(run) for run in self._search(f"tags.`{PARENT_TAG}` = '{parent_run_id}'", experiment)]

    def read_artifact(self, run_id: str, name: str) -> str:
        """Return the text of one of a run's files.

        Raises
        ------
        InputError
            There is no such run, or it has no such file.
        """
        from mlflow.exceptions import MlflowException

        try:
            with TemporaryDirectory() as folder:
                return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            message = f"run={run_id}: there is no such run with a file {name} in {self.address} ({error})"
            raise InputError(message) from error

    def history(self, child: Child) -> History:
        """Return the history of a child, from its artifacts: MLflow takes longer for each single curve.

        Raises
        ------
        InputError
            Its history.csv is missing or damaged.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        place = f"{child.artifacts}/{HISTORY}"
        try:
            with TemporaryDirectory() as folder:
                return read_history(
                    Path(download_artifacts(artifact_uri=place, dst_path=folder, tracking_uri=self.address))
                )
        except (MlflowException, OSError) as error:
            message = f"{place}: cannot be read ({str(error).splitlines()[0]})"
            raise InputError(message) from error


class TrackedRun:
    """A run in MLflow that is being written.

    Parameters
    ----------
    store : Store
    run_id, point_id : str
    """

    def __init__(self, store: Store, run_id: str, point_id: str) -> None:
        self.run_id, self.point_id = run_id, point_id
        self.address = store.address
        self._experiment_id = store.experiment_id
        self._client = store.client
        self._waiting: list[Any] = []
        self._started = time.perf_counter()
        self._flushed, self._pause = self._started, 1.0

    def page(self) -> str:
        """Return where to look at the run: its page, or how to start the server that has it."""
        page = f"#/experiments/{self._experiment_id}/runs/{self.run_id}?{WORKFLOW}"
        if self.address.startswith("http"):
            return f"{self.address.rstrip('/')}/{page}"
        return f"http://127.0.0.1:5000/{page} after: mlflow ui --backend-store-uri {shlex.quote(self.address)}"

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take in the metrics of an epoch; they are sent at most once a second, many at a time."""
        from mlflow.entities import Metric

        now = time.perf_counter()
        values = {**metrics, "training_seconds": now - self._started}
        stamp = int(time.time() * 1000)
        self._waiting += [Metric(name, value, stamp, epoch) for name, value in values.items()]
        if now - self._flushed > self._pause:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting; the slower that is, the longer the next pause, so that training goes on."""
        start = time.perf_counter()
        for first in range(0, len(self._waiting), METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=self._waiting[first : first + METRICS_AT_ONCE])
        self._waiting = []
        self._flushed = time.perf_counter()
        self._pause = max(1.0, 20 * (self._flushed - start))

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Send a whole history, for a training that was not watched."""
        self._waiting += _metric_points(history, int(time.time() * 1000))
        self.flush()

    def log_results(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Send final metrics and tags."""
        from mlflow.entities import Metric, RunTag

        stamp = int(time.time() * 1000)
        self._client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, stamp, 0) for name, value in metrics.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Keep a file among the run's artifacts."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Keep a text as a file among the run's artifacts."""
        self._client.log_text(self.run_id, text, name)

    def log_model(self, path: Path, example: "DataFrame", answers: "DataFrame") -> None:
        """Keep a model that `mlflow.pyfunc.load_model` loads from the run's artifact `model`.

        Parameters
        ----------
        path : Path
            The file that `Model.save` wrote.
        example : DataFrame
            Some rows of raw features.
        answers : DataFrame
            What the model says of them.
        """
        from mlflow import pyfunc
        from mlflow.models import Model

        record = Model(MODEL_FOLDER, self.run_id)
        with TemporaryDirectory() as folder:
            pyfunc.save_model(
                f"{folder}/{MODEL_FOLDER}",
                loader_module="plainmlp.serving",
                data_path=str(path),
                code_paths=[str(Path(__file__).parent)],
                mlflow_model=record,
                signature=_signature(example, answers),
                input_example=example,
                pip_requirements=_serving_requirements(),
            )
            self._client.log_artifacts(self.run_id, f"{folder}/{MODEL_FOLDER}", MODEL_FOLDER)
        self._client.set_tag(self.run_id, MODEL_TAG, json.dumps([record.get_tags_dict()]))

    def end(self, status: str) -> None:
        """Send what is waiting and close the run as FINISHED, FAILED or KILLED."""
        self.flush()
        self._client.set_terminated(self.run_id, status)

    @contextmanager
    def closing(self) -> Iterator["TrackedRun"]:
        """Close the run when the block ends: FINISHED, or as `closing_on_failure` does."""
        with self.closing_on_failure():
            yield self
        self.end("FINISHED")

    @contextmanager
    def closing_on_failure(self) -> Iterator[None]:
        """Close the run where the block fails: KILLED after Ctrl-C, else FAILED, with the reason as a tag."""
        try:
            yield
        except BaseException as error:
            self._client.set_tag(self.run_id, FAILURE_TAG, f"{type(error).__name__}: {error}"[:LONGEST_PARAMETER])
            self.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise


def flat_parameters(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a canonical configuration as MLflow parameters under their keys, such as `model.hidden_sizes`.

    An entry chosen by name has its name under its own key and its options below it: `model.initializer` and
    `model.initializer.mean`. A value that MLflow would cut is shortened, and says so.
    """
    flat: dict[str, str] = {}
    for key, value in configuration.items():
        if not isinstance(value, Mapping):
            flat[prefix + key] = _parameter(value)
        elif prefix:  # below a section, a mapping is a chosen entry
            flat[prefix + key] = _parameter(value["name"])
            flat |= flat_parameters({k: v for k, v in value.items() if k != "name"}, f"{prefix}{key}.")
        else:
            flat |= flat_parameters(value, f"{key}.")
    return flat


def _metric_points(curves: Mapping[str, Sequence[float]], stamp: int) -> list[Any]:
    """Return every value of every curve as MLflow takes them."""
    from mlflow.entities import Metric

    return [Metric(name, value, stamp, epoch) for name, values in curves.items() for epoch, value in enumerate(values)]


def _child(run: Any) -> Child:
    tags, data = run.data.tags, run.data
    return Child(
        run.info.run_id,
        tags.get("point_id", ""),
        run.info.status,
        dict(data.params),
        dict(data.metrics),
        run.info.artifact_uri,
        tags.get(FAILURE_TAG, ""),
    )


def _parameter(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_PARAMETER else text[: LONGEST_PARAMETER - len(SHORTENED)] + SHORTENED


def _apply_settings() -> None:
    """Make MLflow quiet, and soon done with a server that is away; it reads this when it is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


@contextmanager
def _opening(address: str) -> Iterator[None]:
    """Say in one line why a store cannot be opened."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        message = f"tracking.uri = {address!r}: MLflow cannot record there ({reason}); allowed: {ADDRESSES}"
        raise InputError(message) from error


@contextmanager
def _lock(address: str) -> Iterator[None]:
    """Let one process at a time create a database: several at once would break it for good."""
    from filelock import FileLock

    database = _database(address)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        database.open("ab").close()  # MLflow would try for minutes to open what cannot be opened
        if not database.stat().st_size:
            _make(database)
        yield


def _make(database: Path) -> None:
    """Make a database whole or not at all: MLflow cannot go on with one that it was killed over."""
    from mlflow import MlflowClient

    temporary = database.with_name(f".{database.name}.new")
    for leftover in database.parent.glob(f"{temporary.name}*"):  # with a journal, where it was killed
        leftover.unlink()
    MlflowClient(f"{SQLITE}{temporary}")
    temporary.replace(database)


def _database(address: str) -> Path | None:
    """Return the file of a database that is one."""
    return Path(address.removeprefix(SQLITE)).absolute() if address.startswith(SQLITE) else None


def _artifact_location(address: str, experiment: str) -> str | None:
    """Return where artifacts go: beside a database that is a file, else where the server says."""
    database = _database(address)
    return None if database is None else (database.parent / "mlruns" / experiment).as_uri()


def _signature(example: "DataFrame", answers: "DataFrame") -> Any:
    """Return the names of a model's columns, and the types of its answers.

    The model itself checks and converts what it is given: under the type `double` MLflow would refuse whole numbers.
    """
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name) for name in example.columns])  # type: ignore[no-untyped-call]
    return ModelSignature(inputs, infer_signature(answers).inputs)


def _serving_requirements() -> list[str]:
    """Return what a served model needs, in the versions that are installed."""
    from importlib.metadata import version

    names = ("mlflow", "numpy", "pandas", "pydantic", "safetensors", "threadpoolctl")
    return [f"{name}=={version(name)}" for name in names]
