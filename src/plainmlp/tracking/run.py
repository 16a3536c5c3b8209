"""A run that is being recorded."""

import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from plainmlp.system.errors import StorageError
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.delivery import Delivery
from plainmlp.tracking.models import pack_model
from plainmlp.tracking.outbox import Point, RunHeader, metric_points
from plainmlp.tracking.parameters import LONGEST_PARAMETER
from plainmlp.tracking.tags import FAILURE_TAG, MODEL_TAG

if TYPE_CHECKING:
    from pandas import DataFrame

WORKFLOW = "workflowType=machine_learning"  # without it MLflow opens its pages for traces and prompts
MODEL_FOLDER = "model"


class TrackedRun:
    """A run in MLflow that is being written.

    Parameters
    ----------
    delivery : Delivery
        Takes what happens to the run to MLflow, now or later.
    address : str
        Of the store.
    experiment_id, point_id : str
    """

    def __init__(self, delivery: Delivery, address: str, experiment_id: str, point_id: str) -> None:
        self.point_id, self.address = point_id, address
        self._delivery, self._experiment_id = delivery, experiment_id
        self._unsent: list[Point] = []
        self._started = time.perf_counter()
        self._flushed, self._pause = self._started, 1.0

    @property
    def header(self) -> RunHeader:
        """Return what the run is created from."""
        return self._delivery.header

    @property
    def run_id(self) -> str | None:
        """Return the id of the run in MLflow, if MLflow has it."""
        return self.header.run_id

    @property
    def reference(self) -> str:
        """Return the id by which runs below this one name it: the run's, else the record's."""
        return self.run_id or self.header.record_id

    def ids(self) -> dict[str, str]:
        """Return the id of the run, or of the record that will become it."""
        return {"record_id" if self.run_id is None else "run_id": self.reference}

    def page(self) -> str:
        """Return where to look at the run: its page, how to start a server that shows it, or how to publish it."""
        if self._delivery.is_waiting and self._delivery.outbox is not None:
            outbox = self._delivery.outbox
            return f"saved in {outbox.folder / self.header.record_id}; to publish: {outbox.command}"
        page = f"#/experiments/{self._experiment_id}/runs/{self.run_id}?{WORKFLOW}"
        address = without_credentials(self.address)
        if address.startswith("http"):
            return f"{address.rstrip('/')}/{page}"
        return f"http://127.0.0.1:5000/{page} after: mlflow ui --backend-store-uri {shlex.quote(address)}"

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of an epoch; they are sent at most once a second, many at a time."""
        now = time.perf_counter()
        values = {**metrics, "training_seconds": now - self._started}
        stamp = int(time.time() * 1000)
        self._unsent += [(name, float(value), stamp, epoch) for name, value in values.items()]
        if now - self._flushed > self._pause:
            self.flush()

    def flush(self) -> None:
        """Send the metrics of the last epochs; the longer that takes, the longer the next pause."""
        start = time.perf_counter()
        if self._unsent:
            self._delivery.write({"metrics": self._unsent})
        self._unsent = []
        self._flushed = time.perf_counter()
        self._pause = max(1.0, 20 * (self._flushed - start))

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Send a whole history, for a training that was not watched."""
        self._unsent += metric_points(history, int(time.time() * 1000))
        self.flush()

    def log_results(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Send final metrics and tags."""
        points = metric_points({name: [value] for name, value in metrics.items()}, int(time.time() * 1000))
        self._delivery.write({"metrics": points, "tags": dict(tags)})

    def log_file(self, path: Path, folder: str = "") -> None:
        """Add a file, or the content of a folder, to the run's artifacts."""
        self._delivery.write({}, path, folder)

    def log_text(self, text: str, name: str) -> None:
        """Add a text to the run's artifacts, as a file."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", newline="\n")
            self.log_file(path)

    def log_model(self, path: Path, example: "DataFrame", answers: "DataFrame") -> None:
        """Add a model that `mlflow.pyfunc.load_model` loads from the run's artifact `model`; see `pack_model`."""
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / MODEL_FOLDER
            listed = pack_model(folder, self.reference, path, example, answers)
            self.log_file(folder, MODEL_FOLDER)
        self.log_results({}, {MODEL_TAG: json.dumps([listed])})

    def end(self, status: str) -> None:
        """Send what is left and close the run as FINISHED, FAILED or KILLED."""
        self.flush()
        self._delivery.end(status, int(time.time() * 1000))

    @contextmanager
    def closing(self) -> Iterator["TrackedRun"]:
        """Close the run when the block ends: FINISHED, or as `closing_on_failure` does."""
        with self.closing_on_failure():
            yield self
        self.end("FINISHED")

    @contextmanager
    def closing_on_failure(self) -> Iterator[None]:
        """Close the run if the block fails: KILLED after Ctrl-C, else FAILED, with the reason as a tag."""
        try:
            yield
        except BaseException as error:
            with suppress(StorageError):  # a full disk may be what made the block fail
                self.log_results({}, {FAILURE_TAG: f"{type(error).__name__}: {error}"[:LONGEST_PARAMETER]})
                self.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
