"""A run that is being recorded."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from plainmlp.system.errors import InputError, StorageError
from plainmlp.system.files import files_below
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.datasets import send_data
from plainmlp.tracking.logged_models import send_model
from plainmlp.tracking.models import MODEL_FILE, pack_model, rename_run
from plainmlp.tracking.outbox import Entry, Outbox, Point, RunHeader, in_shown_order, metric_points, published
from plainmlp.tracking.recording.configuration import LONGEST_PARAMETER
from plainmlp.tracking.recording.manifest import copy_of, read_copy, seal
from plainmlp.tracking.stored_runs import Reader
from plainmlp.tracking.tags import FAILURE_TAG, MANIFEST_TAG, MODEL_TAG, POINT_TAG, PROCESS_TAG, RECORD_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL_FOLDER = "model"
TEST = "test_"  # begins the names of the test part's metrics
ITEMS_PER_BATCH = 1000  # MLflow refuses more in one call


class TrackedRun:
    """A run: what happens to it goes into its folder, and from there to MLflow while that can be reached.

    Parameters
    ----------
    store : Reader
    outbox : Outbox, optional
        Holds the run until MLflow has it whole. Without one, a store that cannot be reached is an error.
    header : RunHeader
    is_waiting : bool
        Whether the run stays in the outbox, and MLflow gets nothing of it before `sync` publishes it.
    """

    def __init__(self, store: Reader, outbox: Outbox | None, header: RunHeader, *, is_waiting: bool = False) -> None:
        self.header, self.store, self._outbox, self._is_waiting = header, store, outbox, is_waiting
        self._unsent: list[Point] = []
        self._started = time.perf_counter()
        self._flushed, self._pause = self._started, 1.0

    @property
    def point_id(self) -> str:
        """Return the id of the point that the run computes, if it does."""
        return self.header.tags.get(POINT_TAG, "")

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
        if self._is_waiting and self._outbox is not None:
            return f"saved in {self._outbox.folder / self.header.record_id}; to publish: {self._outbox.command}"
        return self.store.page(self.run_id or "")

    def begin(self, *, is_new: bool = False) -> None:
        """Create the run, unless MLflow has it; a new record's it cannot have. Its folder is made with its first entry."""
        try:
            if not self._is_waiting:
                self.header = created(self.store, self.header, is_new=is_new)
        except AwayError as error:
            self._wait(error)

    def resume(self) -> bool:
        """Continue a run that was begun before; say whether there is one, as there may be if MLflow is away."""
        held = self._outbox if self._outbox is not None and self._outbox.holds(self.header.record_id) else None
        if held is not None:
            self.header = held.header(self.header.record_id)
            self._is_waiting = self.header.run_id is None  # only `sync` may create its run now
        try:
            is_there = self._is_waiting or self._find()
        except AwayError as error:
            self._wait(error)
            return True
        if held is not None and not is_there:  # its run was deleted
            held.remove(self.header.record_id)
        elif held is not None:
            for entry in held.entries(self.header.record_id):
                self._send(entry, held.places(self.header.record_id, entry))
        return is_there

    def _find(self) -> bool:
        run_id = self.header.run_id or find_run(self.store, self.header.record_id)
        self.header = replace(self.header, run_id=run_id)
        return run_id is not None and is_active(self.store, run_id)

    def write(self, entry: Entry, source: Path | None = None, folder: str = "") -> None:
        """Add to the run; `source`, a file or a folder whose content, becomes artifacts in `folder`."""
        found = {} if source is None else files_below(source) if source.is_dir() else {source.name: source}
        places = {f"{folder}/{name}".lstrip("/"): path for name, path in found.items()}
        entry = {**entry, "files": list(places)} if places else entry
        if self._outbox is not None:
            self._outbox.add(self.header, entry, places)
            places = self._outbox.places(self.header.record_id, entry)
        self._send(entry, places)

    def log_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Take the metrics of an epoch; they are sent at most once a second, many at a time."""
        now = time.perf_counter()
        values = published({**metrics, "training_seconds": now - self._started})
        stamp = int(time.time() * 1000)
        self._unsent += [(name, float(values[name]), stamp, epoch) for name in in_shown_order(values)]
        if now - self._flushed > self._pause:
            self.flush()

    def flush(self) -> None:
        """Send the metrics of the last epochs; the longer that takes, the longer the next pause."""
        start = time.perf_counter()
        if self._unsent:
            self.write({"metrics": self._unsent})
        self._unsent = []
        self._flushed = time.perf_counter()
        self._pause = max(1.0, 20 * (self._flushed - start))

    def log_history(self, history: Mapping[str, Sequence[float]]) -> None:
        """Send a whole history, for a training that was not watched."""
        self._unsent += metric_points(published(history), int(time.time() * 1000))
        self.flush()

    def log_results(self, metrics: Mapping[str, float], tags: Mapping[str, str]) -> list[Point]:
        """Send final metrics and tags; return the metrics as they were sent."""
        points = metric_points({name: [value] for name, value in metrics.items()}, int(time.time() * 1000))
        self.write({"metrics": points, "tags": dict(tags)})
        return points

    def log_file(self, path: Path, folder: str = "") -> None:
        """Add a file, or the content of a folder, to the run's artifacts."""
        self.write({}, path, folder)

    def log_text(self, text: str, name: str) -> None:
        """Add a text to the run's artifacts, as a file."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text, encoding="utf-8", newline="\n")
            self.log_file(path)

    def log_model(self, path: Path, points: Sequence[Point] = ()) -> None:
        """Add a model that `mlflow.pyfunc.load_model` loads from the run's artifact `model`; see `pack_model`.

        MLflow lists it among its models too, where it is found by those of the points that measure the test part.
        """
        with TemporaryDirectory() as temporary:
            self.write(self._packed(Path(temporary), path, points), Path(temporary))

    def add_model(self, path: Path, points: Sequence[Point], end: Entry) -> None:
        """Add a model to a run that is over, as `log_model` does, with its manifest, and all of it or nothing.

        `end` is the entry that says how the run ended, and what else to add.
        """
        if self._outbox is None or read_copy(copy_of(self._outbox.checkout, self.header.record_id)) is None:
            message = f"{self.run_id} was not recorded by this checkout, so nothing is added to it"
            raise InputError(message)
        with TemporaryDirectory() as temporary:
            entry = self._packed(Path(temporary), path, points)
            sealed = seal(Path(temporary), self._outbox, self.header, [entry], files_below(Path(temporary)))
            self.write({**entry, **end, "tags": entry["tags"] | sealed}, Path(temporary))
        if not self._is_waiting:
            self._outbox.remove(self.header.record_id)

    def _packed(self, folder: Path, path: Path, points: Sequence[Point]) -> Entry:
        """Pack a model below a folder and return the entry that adds it."""
        listed = pack_model(folder / MODEL_FOLDER, self.reference, path)
        tested = [point for point in points if point[0].startswith(TEST)]
        return {"tags": {MODEL_TAG: json.dumps([listed])}, "model": tested}

    def end(self, status: str, ended: int | None = None) -> None:
        """Close the run as FINISHED, FAILED or KILLED; once MLflow has it whole, it leaves the outbox."""
        self.flush()
        self._seal()
        self.write({"status": status, "ended": int(time.time() * 1000) if ended is None else ended})
        if self._outbox is not None and not self._is_waiting:
            self._outbox.remove(self.header.record_id)

    def _seal(self) -> None:
        """Add the manifest of all that the run holds by now, unless it was sealed as a whole."""
        if self._outbox is not None and MANIFEST_TAG not in self.header.tags:
            record_id = self.header.record_id
            with TemporaryDirectory() as folder:
                entries, files = self._outbox.entries(record_id), files_below(self._outbox.files(record_id))
                tags = seal(Path(folder), self._outbox, self.header, entries, files)
                self.write({"tags": tags}, Path(folder))

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

    def _send(self, entry: Entry, places: Mapping[str, Path]) -> None:
        try:
            if not self._is_waiting:
                send(self.store, self.header, entry, places)
        except AwayError as error:
            self._wait(error)

    def _wait(self, error: AwayError) -> None:
        if self._outbox is None:
            raise error
        self._is_waiting = True
        self.store.connection.announce(
            f"this run is being saved in {self._outbox.folder}; publish it later with: {self._outbox.command}"
        )


def find_run(store: Reader, record_id: str, experiment_ids: Sequence[str] = ()) -> str | None:
    """Return the id of the run that was made from a record, if the store's experiment, or one of others, has one."""
    return store.connection.call(lambda: _find_run(store, record_id, experiment_ids))


def _find_run(store: Reader, record_id: str, experiment_ids: Sequence[str] = ()) -> str | None:
    places, condition = list(experiment_ids) or [store.experiment_id], f"tags.`{RECORD_TAG}` = '{record_id}'"
    found = store.client.search_runs(places, condition, max_results=1)
    return str(found[0].info.run_id) if found else None


def created(store: Reader, header: RunHeader, *, is_new: bool = False) -> RunHeader:
    """Create a run, unless an attempt whose answer was lost has; return the header with its id.

    A record that is new has had no attempt yet, which saves the slowest of a server's answers.
    """
    attempts = count(0 if is_new else 1)

    def create() -> str:
        run_id = _find_run(store, header.record_id) if next(attempts) else None
        if run_id is not None:
            return run_id
        tags = {**header.tags, RECORD_TAG: header.record_id}
        info = store.client.create_run(store.experiment_id, header.started, tags, run_name=header.name).info
        store.places[info.run_id] = info.artifact_uri
        return str(info.run_id)

    return replace(header, run_id=store.connection.call(create))


def is_active(store: Reader, run_id: str) -> bool:
    """Say whether the store's experiment has a run that nobody has deleted."""
    from mlflow.exceptions import MlflowException

    try:
        info = store.connection.call(lambda: store.client.get_run(run_id)).info
    except MlflowException:
        return False
    return bool((info.experiment_id, info.lifecycle_stage) == (store.experiment_id, "active"))


def send(store: Reader, header: RunHeader, entry: Entry, places: Mapping[str, Path]) -> None:
    """Send an entry to its run, which is there, and the files at `places`; to send it twice changes nothing."""
    store.connection.call(lambda: _send(store, header, entry, places))
    if "model" in entry:
        below = f"{MODEL_FOLDER}/"
        packed = {name.removeprefix(below): path for name, path in places.items() if name.startswith(below)}
        send_model(store, header.run_id or "", entry["model"], packed)


def _send(store: Reader, header: RunHeader, entry: Entry, places: Mapping[str, Path]) -> None:
    client, run_id = store.client, header.run_id or ""
    if "process" in entry:
        _reopen(client, run_id, entry["process"])
    if entry.get("data"):
        send_data(client, run_id, entry["data"])
    if places:
        artifacts = store.artifacts(run_id)
    for name, path in places.items():
        if path.name == MODEL_FILE:  # it names the run, which it knows by its record only
            rename_run(path, header.record_id, run_id)
        artifacts.log_artifact(str(path), name.rpartition("/")[0] or None)
    _send_values(client, run_id, entry, header.record_id)
    if entry.get("status") == "FINISHED":
        _forget_process(client, run_id)
    if "status" in entry:
        client.set_terminated(run_id, entry["status"], entry["ended"])


def _forget_process(client: "MlflowClient", run_id: str) -> None:
    """Remove the tag of who writes a run, which nothing asks of one that has finished."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # it has none, or cannot be reached, which its end will meet too
        client.delete_tag(run_id, PROCESS_TAG)


def _reopen(client: "MlflowClient", run_id: str, process: str) -> None:
    client.update_run(run_id, status="RUNNING")
    if FAILURE_TAG in client.get_run(run_id).data.tags:  # of an earlier attempt
        client.delete_tag(run_id, FAILURE_TAG)
    client.set_tag(run_id, PROCESS_TAG, process)


def _send_values(client: "MlflowClient", run_id: str, entry: Entry, record_id: str) -> None:
    from mlflow.entities import Metric, Param, RunTag

    metrics = [Metric(*point) for point in entry.get("metrics", ())]
    parameters = [Param(key, value) for key, value in entry.get("parameters", {}).items()]
    tags = [RunTag(key, value.replace(record_id, run_id)) for key, value in entry.get("tags", {}).items()]
    first = ITEMS_PER_BATCH - len(parameters) - len(tags)
    if metrics or parameters or tags:
        client.log_batch(run_id, metrics[:first], parameters, tags)
    for position in range(first, len(metrics), ITEMS_PER_BATCH):
        client.log_batch(run_id, metrics[position : position + ITEMS_PER_BATCH])
