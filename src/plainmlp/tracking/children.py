"""The runs below another, as MLflow or the outbox has them and a leaderboard needs them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.connection import AwayError, Connection, one_line
from plainmlp.tracking.database import refusal
from plainmlp.tracking.outbox import Outbox, RunHeader, last_status
from plainmlp.tracking.tags import FAILURE_TAG, PARENT_TAG, POINT_TAG
from plainmlp.training.history import History, read_history

RUNS_AT_ONCE = 1000
HISTORY = "history.csv"


@dataclass(frozen=True)
class Child:
    """A run below another: each metric with its last value, the address of its files, and why it failed if it did."""

    run_id: str
    point_id: str
    status: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str
    failure: str


class Reader:
    """Reads the runs of an MLflow store; its client is None until the store has been opened."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.address = connection, connection.address
        self.client: Any = None

    def search(self, condition: str, experiment_id: str) -> Iterator[Any]:
        """Yield the runs of an experiment that meet a condition, or raise AwayError."""
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
        """Return the runs below another that MLflow has, or raise AwayError."""
        experiment = self.connection.call(lambda: self.client.get_run(parent_run_id).info.experiment_id)
        return [_child(run) for run in self.search(f"tags.`{PARENT_TAG}` = '{parent_run_id}'", experiment)]

    def children(self, parent_run_id: str) -> list[Child]:
        """Return the runs below another of any experiment.

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

        if self.connection.is_away:
            raise refusal(self.address, self.connection.reason)
        try:
            with TemporaryDirectory() as folder:
                return Path(self.client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
        except (MlflowException, OSError, UnicodeDecodeError) as error:
            message = f"run={run_id}: there is no such run with a file {name} in {without_credentials(self.address)} ({one_line(error)})"
            raise InputError(message) from error

    def history(self, child: Child) -> History:
        """Return the history of a child from its artifacts; MLflow would take longer for each single curve.

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


def kept_child(outbox: Outbox, header: RunHeader) -> Child:
    """Return a run below another that waits in the outbox."""
    tags, parameters = dict(header.tags), dict[str, str]()
    metrics: dict[str, float] = {}
    entries = outbox.entries(header.record_id)
    for entry in entries:
        tags |= entry.get("tags", {})
        parameters |= entry.get("parameters", {})
        metrics |= {name: value for name, value, _, _ in entry.get("metrics", ())}
    return Child(
        header.record_id,
        tags.get(POINT_TAG, ""),
        last_status(entries) or "RUNNING",
        parameters,
        metrics,
        outbox.files(header.record_id).as_uri(),
        tags.get(FAILURE_TAG, ""),
    )
