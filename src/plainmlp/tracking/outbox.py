"""The outbox: runs that MLflow does not have whole yet, each in a folder that holds all of it."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from uuid import uuid4

from plainmlp.system.errors import InputError
from plainmlp.system.files import flush, read_json, replace_file, unfinished, without_fsync, write_json, writing
from plainmlp.system.process import held, is_dead
from plainmlp.tracking.tags import PARENT_TAG, PROCESS_TAG

OUTBOX = Path(".plainmlp") / "outbox"  # below a checkout
SCRIPT = Path("pipelines") / "sync.py"
HEADER, ENTRIES, FILES = "run.json", "entries.jsonl", "files"
SHOWN_PARTS = ("validation", "test", "train")  # as MLflow lists their metrics
FIRST_CHARTS = {"loss/train": "train_loss", "loss/validation": "validation_loss"}
OF_TRAINING = ("dead_units", "gradient_norm", "learning_rate")
PREFIX = "record-"  # tells the id of a record from a run's
# what happens to a run at once: any of `process`, `data`, `metrics`, `parameters`, `tags`, `files`, `model`,
# `status` and `ended`
Entry = dict[str, Any]
Value = TypeVar("Value")
Point = tuple[str, float, int, int]  # a metric's name, its value, when it was measured, the epoch


@dataclass(frozen=True)
class RunHeader:
    """What MLflow needs to create a run.

    `record_id` is ours, from `new_record_id`, and a tag of the run; `address` has no credentials; `started` is in
    milliseconds; `run_id` is MLflow's, if it has the run.
    """

    record_id: str
    address: str
    experiment: str
    name: str
    tags: dict[str, str]
    started: int
    run_id: str | None = None


def new_record_id(name: str | None = None) -> str:
    """Return the id of a record: a new one, or the one for a name."""
    return f"{PREFIX}{name or uuid4().hex}"


def read_header(path: Path) -> RunHeader:
    """Read a header from JSON, or raise InputError if the file is missing or damaged."""
    values = read_json(path)
    try:
        return RunHeader(**values)
    except TypeError as error:
        message = f"{path}: is damaged, or of another version; remove it ({error})"
        raise InputError(message) from error


def metric_points(curves: Mapping[str, Sequence[float]], stamp: int) -> list[Point]:
    """Return every value of every curve, all with one time in milliseconds; MLflow keeps their order."""
    names = in_shown_order(curves)
    return [(name, float(value), stamp, epoch) for name in names for epoch, value in enumerate(curves[name])]


def published(curves: Mapping[str, Value]) -> dict[str, Value]:
    """Return the curves of a training under their names in MLflow, which sorts its charts by name.

    It shows groups before what has none, so the losses are there a second time, as the group `loss`; and the group
    `system` on a page of its own, so what a training does is there and not before what it came to.
    """
    first = {shown: curves[name] for shown, name in FIRST_CHARTS.items() if name in curves}
    return first | {f"system/{name}" if name in OF_TRAINING else name: curve for name, curve in curves.items()}


def as_published(curves: Mapping[str, Value], metrics: Iterable[str]) -> Mapping[str, Value]:
    """Return curves under the names in a recorded run: those of `published` or, in early versions, their own."""
    names = published(curves)
    return curves if names.keys().isdisjoint(set(metrics) - curves.keys()) else names


def in_shown_order(metrics: Iterable[str]) -> list[str]:
    """Return the names of metrics in the order for MLflow: first of the evaluation, then of the training."""
    parts = {part: place for place, part in enumerate(SHOWN_PARTS)}
    return sorted(metrics, key=lambda name: parts.get(name.partition("_")[0], len(parts)))


def last_status(entries: Sequence[Entry]) -> str | None:
    """Return the status that a run ended with, or None if it has not ended."""
    status = None
    for entry in entries:
        status = entry.get("status", None if "process" in entry else status)
    return status


def merged(entries: Iterable[Entry], kind: str) -> dict[str, str]:
    """Return the `tags` or `parameters` of the entries of a run; later ones replace earlier ones."""
    return {key: text for entry in entries for key, text in entry.get(kind, {}).items()}


class Outbox:
    """The runs of a checkout that MLflow does not have whole yet; several processes may use it at once."""

    def __init__(self, checkout: Path, signing_key: Path | None = None) -> None:
        self.checkout, self.folder = checkout, checkout / OUTBOX
        self.signing_key = signing_key  # of the manifests
        self._thread = Lock()  # threads would wait for the lock of processes in steps of 50 ms

    @property
    def command(self) -> str:
        """Return the command that publishes the runs."""
        return f"python {os.path.relpath(self.checkout / SCRIPT)}"

    def holds(self, record_id: str) -> bool:
        """Say whether a run is here."""
        return (self.folder / record_id / HEADER).exists()

    def add(self, header: RunHeader, entry: Entry, sources: Mapping[str, Path]) -> None:
        """Add an entry to a run, whose folder is made if it is missing; copy the files that the entry names."""
        folder = self.folder / header.record_id
        with writing(folder), self._locked():
            if not (folder / HEADER).exists():
                write_json(folder / HEADER, asdict(header))
            with without_fsync():  # a model has hundreds of small files
                for name, source in sources.items():
                    with replace_file(folder / FILES / name) as temporary:
                        shutil.copy(source, temporary)
            _append(folder / ENTRIES, json.dumps(entry))

    def header(self, record_id: str) -> RunHeader:
        """Return the header of a run, or raise InputError if it is missing or damaged."""
        return read_header(self.folder / record_id / HEADER)

    def headers(self) -> list[RunHeader]:
        """Return the headers of all runs: sweeps before their points, otherwise the oldest first."""
        headers = [read_header(path) for path in self.folder.glob(f"{PREFIX}*/{HEADER}")]
        return sorted(headers, key=lambda header: (PARENT_TAG in header.tags, header.started, header.record_id))

    def entries(self, record_id: str) -> list[Entry]:
        """Return the entries of a run in their order, or raise InputError if they are damaged."""
        path = self.folder / record_id / ENTRIES
        whole = path.read_bytes()[: _whole_size(path)] if path.exists() else b""
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            message = f"{path}: is damaged ({error}); remove its folder to discard the run"
            raise InputError(message) from error

    def files(self, record_id: str) -> Path:
        """Return the folder with the files of a run, under the names of its artifacts."""
        return self.folder / record_id / FILES

    def places(self, record_id: str, entry: Entry) -> dict[str, Path]:
        """Return the paths of an entry's files, by the names of their artifacts."""
        return {name: self.files(record_id) / name for name in entry.get("files", ())}

    def is_being_written(self, header: RunHeader) -> bool:
        """Say whether a living process still writes a run."""
        entries = self.entries(header.record_id)
        later = (entry["process"] for entry in reversed(entries) if "process" in entry)
        process = next(later, header.tags.get(PROCESS_TAG))
        return last_status(entries) is None and process is not None and not is_dead(process)

    def remove(self, record_id: str, n_entries: int | None = None) -> bool:
        """Remove a run, unless it no longer has `n_entries` entries; say whether it is gone."""
        with self._locked():
            if not self.holds(record_id):
                return True
            if n_entries is not None and len(self.entries(record_id)) != n_entries:
                return False
            gone = unfinished(self.folder / record_id)
            (self.folder / record_id).rename(gone)  # at once: half a run would be published as a whole one
        shutil.rmtree(gone)
        return True

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keep other processes from publishing the same runs, or raise InputError if one does already."""
        self._make()
        with held(self.folder / "publishing", 0.0, f"another process is already publishing {self.folder}; wait for it"):
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._make()
        with self._thread, held(self.folder / "lock"):
            yield

    def _make(self) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)


def _append(path: Path, line: str) -> None:
    """Add a line to a file, whole or not at all, and remove a line that was cut off."""
    size = _whole_size(path) if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.truncate(size)
            file.write(f"{line}\n".encode())
        flush(path)
    except OSError:
        os.truncate(path, size)
        raise


def _whole_size(path: Path) -> int:
    """Return the size of the complete lines of a file."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read() in {b"", b"\n"}:
            return size
        file.seek(0)
        return file.read().rfind(b"\n") + 1
