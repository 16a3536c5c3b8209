"""Reading: the runs that MLflow or the outbox holds, as a leaderboard needs them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.connection import AwayError, Connection, one_line
from plainmlp.tracking.database import refusal
from plainmlp.tracking.header import Record
from plainmlp.tracking.outbox import Outbox
from plainmlp.tracking.tags import FAILURE_TAG, PARENT_TAG, POINT_TAG
from plainmlp.training.history import History, read_history

RUNS_AT_ONCE = 1000
HISTORY = "history.csv"


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


class Reader:
    """What reads the runs of an MLflow store.

    Parameters
    ----------
    connection : Connection

    Attributes
    ----------
    client : MlflowClient
        None until the store has been opened.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection, self.address = connection, connection.address
        self.client: Any = None

    def search(self, condition: str, experiment_id: str) -> Iterator[Any]:
        """Yield the runs of an experiment that meet a condition.

        Raises
        ------
        AwayError
            MLflow cannot be reached.
        """
        token: str | None = ""
        while token is not None:
            page = self._ask(condition, experiment_id, token)
            yield from page
            token = page.token or None

    def _ask(self, condition: str, experiment_id: str, token: str) -> Any:
        return self.connection.call(
            lambda: self.client.search_runs([experiment_id], condition, max_results=RUNS_AT_ONCE, page_token=token)
        )

    def sent_children(self, parent_run_id: str) -> list[Child]:
        """Return the runs below another that MLflow holds.

        Raises
        ------
        AwayError
            MLflow cannot be reached.
        """
        experiment = self.connection.call(lambda: self.client.get_run(parent_run_id).info.experiment_id)
        return [_child(run) for run in self.search(f"tags.`{PARENT_TAG}` = '{parent_run_id}'", experiment)]

    def _refuse_if_away(self) -> None:
        """Refuse what cannot do without MLflow."""
        if self.connection.is_away:
            raise refusal(self.address, self.connection.reason)

    def children(self, parent_run_id: str) -> list[Child]:
        """Return the runs below another, of whichever experiment that is.

        Raises
        ------
        InputError
            There is no run of this id, or MLflow cannot be reached.
        """
        from mlflow.exceptions import MlflowException

        try:
            return self.sent_children(parent_run_id)
        except AwayError as error:
            raise refusal(self.address, str(error)) from error
        except MlflowException as error:
            message = f"{parent_run_id!r} is no run in {without_credentials(self.address)}"
            raise InputError(message) from error

    def read_artifact(self, run_id: str, name: str) -> str:
        """Return the text of one of a run's files.

        Raises
        ------
        InputError
            There is no such run, it has no such file, or MLflow cannot be reached.
        """
        from mlflow.exceptions import MlflowException

        self._refuse_if_away()
        try:
            with TemporaryDirectory() as folder:
                return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError) as error:
            message = f"run={run_id}: there is no such run with a file {name} in {without_credentials(self.address)} ({one_line(error)})"
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
            message = f"{place}: cannot be read ({one_line(error)})"
            raise InputError(message) from error


def _child(run: Any) -> Child:
    tags, data = run.data.tags, run.data
    return Child(
        run.info.run_id,
        tags.get(POINT_TAG, ""),
        run.info.status,
        dict(data.params),
        dict(data.metrics),
        run.info.artifact_uri,
        tags.get(FAILURE_TAG, ""),
    )


def kept_children(outbox: Outbox, parents: set[str]) -> list[Child]:
    """Return the runs below another that wait in the outbox.

    Parameters
    ----------
    outbox : Outbox
    parents : set of str
        The ids of the run above them, and of its record.
    """
    return [_kept_child(outbox, record) for record in outbox.records() if record.tags.get(PARENT_TAG) in parents]


def _kept_child(outbox: Outbox, record: Record) -> Child:
    state: dict[str, Any] = {"status": "RUNNING", "folder": None, "parameters": {}, "metrics": {}}
    tags = dict(record.tags)
    for operation in outbox.operations(record.record_id):
        state["status"] = operation.get("status", state["status"])
        state["folder"] = state["folder"] or outbox.source(record.record_id, operation)
        state["parameters"] |= operation.get("parameters", {})
        state["metrics"] |= {name: value for name, value, _, _ in operation.get("metrics", ())}
        tags |= operation.get("tags", {})
    folder = "" if state["folder"] is None else state["folder"].as_uri()
    return Child(
        record.record_id,
        tags.get(POINT_TAG, ""),
        state["status"],
        state["parameters"],
        state["metrics"],
        folder,
        tags.get(FAILURE_TAG, ""),
    )
