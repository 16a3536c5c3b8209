"""A run in MLflow that is being written."""

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from plainmlp.tracking.models import serving_requirements, signature
from plainmlp.tracking.parameters import LONGEST_PARAMETER
from plainmlp.tracking.tags import FAILURE_TAG, MODEL_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from pandas import DataFrame

METRICS_AT_ONCE = 1000  # MLflow refuses more in one call
WORKFLOW = "workflowType=machine_learning"  # MLflow's pages are about language models otherwise
MODEL_FOLDER = "model"
PACKAGE = Path(__file__).parents[1]


class TrackedRun:
    """A run in MLflow that is being written.

    Parameters
    ----------
    client : MlflowClient
    address : str
        Of the store that the client talks to.
    experiment_id, run_id, point_id : str
    """

    def __init__(self, client: "MlflowClient", address: str, experiment_id: str, run_id: str, point_id: str) -> None:
        self.run_id, self.point_id, self.address = run_id, point_id, address
        self._client, self._experiment_id = client, experiment_id
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
        self._waiting += metric_points(history, int(time.time() * 1000))
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
                code_paths=[str(PACKAGE)],
                mlflow_model=record,
                signature=signature(example, answers),
                input_example=example,
                pip_requirements=serving_requirements(),
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


def metric_points(curves: Mapping[str, Sequence[float]], stamp: int) -> list[Any]:
    """Return every value of every curve as MLflow takes them."""
    from mlflow.entities import Metric

    return [Metric(name, value, stamp, epoch) for name, values in curves.items() for epoch, value in enumerate(values)]
