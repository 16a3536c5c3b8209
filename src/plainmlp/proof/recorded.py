"""What a run left: its files and tags, its record in MLflow, and where that record contradicts itself."""

import csv
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from plainmlp.config.canonical import parse_yaml, read_yaml
from plainmlp.config.places import Places
from plainmlp.data.arrays import Array
from plainmlp.evaluation.reports import flat_intervals, flat_metrics
from plainmlp.sweeps.ranking.results import FINISHED
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file, read_json
from plainmlp.tracking.recording.configuration import flat_parameters
from plainmlp.tracking.recording.provenance import FOLDER, PACKAGES, PATCH, RECORD
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import download_files, read_curves, read_run
from plainmlp.tracking.tags import SWEEP_TAG
from plainmlp.training.backends.table import OWN_BACKEND
from plainmlp.training.history import STATE_DIGEST, History, read_digests, read_history
from plainmlp.training.model import Model

CONFIGURATION = "config.yaml"
PREDICTED = "predicted"
NO_NUMBERS = {"row", "actual", PREDICTED}  # columns that count rows or name classes
Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicted for the test part."""

    outputs: Array  # (n_test, n_columns), float64: targets, probabilities and estimates
    classes: tuple[str, ...]  # the predicted one of each sample; empty without classes


@dataclass(frozen=True, eq=False)
class RunFiles:
    """The tags and files of a run; what cannot be read is empty or None, and has its problem under the file's name."""

    tags: Mapping[str, str]  # digests and fingerprint
    model: Model | None
    history: History
    digests: tuple[str, ...]  # of the training's states, an entry an epoch
    metrics: dict[str, float]  # the final ones of every part
    predictions: Predictions | None
    problems: dict[str, str]


def read_run_files(places: Places, tags: Mapping[str, str]) -> RunFiles:
    """Read the files of a run; `problems` has what is missing or damaged."""
    problems: dict[str, str] = {}
    model = _tried(places.model, Model.load, problems)
    history = _tried(places.history, read_history, problems) or {}
    digests = _tried(places.history, _read_states, problems) or ()
    predictions = _tried(places.predictions, _read_predictions, problems) if places.predictions.exists() else None
    metrics: dict[str, float] = {}
    for path, flat in ((places.metrics, flat_metrics), (places.intervals, flat_intervals)):
        if path.exists():
            metrics |= flat(_tried(path, read_json, problems) or {})
    return RunFiles(tags, model, history, digests, metrics, predictions, problems)


def _tried(path: Path, read: Callable[[Path], Content], problems: dict[str, str]) -> Content | None:
    """Read a file, or note its problem."""
    try:
        return read(path)
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problems.setdefault(path.name, str(error).removeprefix(f"{path}: ") if path.exists() else "is missing")
        return None


def _read_states(path: Path) -> tuple[str, ...]:
    """Return the digests of the states in a history; an early one has none."""
    with path.open(encoding="utf-8") as file:
        return read_digests(path) if STATE_DIGEST in file.readline() else ()


def _read_predictions(path: Path) -> Predictions:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    named = [column for column, name in enumerate(header) if name in NO_NUMBERS]
    numbers = [[float(cell) for column, cell in enumerate(row) if column not in named] for row in rows]
    classes = tuple(row[header.index(PREDICTED)] for row in rows) if PREDICTED in header else ()
    return Predictions(np.array(numbers), classes)


@dataclass(eq=False)
class RecordedRun:
    """What MLflow holds of a run; any file but config.yaml may be missing."""

    run_id: str
    root: Path
    files: RunFiles  # with the final metrics of its files and, if these lack them, of MLflow
    written: Mapping[str, float]  # the final metrics of its files alone
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]  # as MLflow has them
    curves: Mapping[str, list[tuple[int, float]]]  # of each column of history.csv, as epoch and value

    def __post_init__(self) -> None:
        """Name the files of the folder."""
        provenance = self.root / FOLDER
        self.places, self.configuration = Places(self.root), self.root / CONFIGURATION
        self.served_model = self.root / "served.safetensors"
        self.provenance, self.packages, self.patch = provenance / RECORD, provenance / PACKAGES, provenance / PATCH

    @property
    def backend(self) -> str:
        """Return what trained it."""
        section = read_yaml(self.configuration).get("backend")  # missing in the first runs
        return OWN_BACKEND if section is None else str(section["name"])


def read_recorded(store: Store, run_id: str, root: Path) -> RecordedRun:
    """Read the record of a run, its files into a folder; raise InputError if it cannot be executed again."""
    record = read_run(store, run_id)
    if SWEEP_TAG in record.tags:
        message = f"{run_id} is a sweep's parent run; pass --sweep to verify its points"
        raise InputError(message)
    if record.status != FINISHED:
        message = f"{run_id} ended {record.status}; only a run that is {FINISHED} has results to compare"
        raise InputError(message)
    download_files(store, run_id, _artifacts(root))
    files = read_run_files(Places(root), record.tags)
    written, curves = files.metrics, read_curves(store, run_id, files.history)
    metrics = {name: value for name, value in record.metrics.items() if name not in curves}
    files = replace(files, metrics={**metrics, **written})
    recorded = RecordedRun(run_id, root, files, written, record.parameters, record.metrics, curves)
    if not recorded.configuration.exists():
        message = f"{run_id} has no artifact {CONFIGURATION}, without which it cannot be executed again"
        raise InputError(message)
    return recorded


def _artifacts(root: Path) -> dict[str, Path]:
    """Return where each artifact of a run goes."""
    places = Places(root)
    results = (places.model, places.history, places.metrics, places.intervals, places.predictions)
    provenance = (f"{FOLDER}/{name}" for name in (RECORD, PACKAGES, PATCH))
    return {
        CONFIGURATION: root / CONFIGURATION,
        **{place.name: place for place in results},
        **{name: root / name for name in provenance},
        "model/data/model.safetensors": root / "served.safetensors",
    }


def find_alterations(recorded: RecordedRun) -> list[str]:
    """Return where a record contradicts itself, so something was changed after the run; a line each."""
    configuration = parse_yaml(recorded.configuration.read_text(encoding="utf-8"))
    provenance = read_json(recorded.provenance) if recorded.provenance.exists() else {}
    tags = {key: value for key, value in recorded.files.tags.items() if key in provenance}
    metrics = {
        name: value
        for name, value in recorded.metrics.items()
        if name in recorded.written.keys() - recorded.curves.keys()
    }
    written = {name: _as_stored(recorded.written[name]) for name in metrics}
    return [
        *find_untrusted(recorded),
        *_altered_file(recorded, "environment_digest", recorded.packages),
        *(f"{name} {problem}" for name, problem in recorded.files.problems.items()),
        *_contradictions("tag", tags, provenance, "provenance.json"),
        *_contradictions("parameter", recorded.parameters, flat_parameters(configuration), CONFIGURATION),
        *_altered_model(recorded),
        *_altered_curves(recorded),
        *_contradictions("metric", metrics, written, "its file"),
    ]


def find_untrusted(recorded: RecordedRun) -> list[str]:
    """Return the alterations of the configuration and the code, which a re-execution starts from."""
    files = {"configuration_digest": recorded.configuration, "git_diff_digest": recorded.patch}
    return [line for tag, file in files.items() for line in _altered_file(recorded, tag, file)]


def _altered_file(recorded: RecordedRun, tag: str, file: Path) -> Iterator[str]:
    """Compare a file with its digest in a tag."""
    digest = recorded.files.tags.get(tag)
    if digest is not None and not file.exists():
        yield f"{file.name} is missing"
    elif digest is not None and digest_file(file) != digest:
        yield f"{file.name} does not have the {tag} of the run"


def _contradictions(kind: str, found: Mapping[str, object], written: Mapping[str, object], file: str) -> Iterator[str]:
    """Compare what MLflow has under some keys with what a file has."""
    for key in sorted(found.keys() | written.keys()):
        first, second = found.get(key), written.get(key)
        if first != second and repr(first) != repr(second):  # NaN differs from itself
            yield f"the {kind} {key} is {first!r} in MLflow and {second!r} in {file}"


def _altered_model(recorded: RecordedRun) -> Iterator[str]:
    """Compare the model with its digest, and with the copy that MLflow serves."""
    model, tags = recorded.files.model, recorded.files.tags
    if model is not None and model.weights_digest != tags.get("weights_digest", model.weights_digest):
        yield "the weights in model.safetensors do not have the weights_digest of the run"
    served, place = recorded.served_model, recorded.places.model
    if served.exists() and place.exists() and served.read_bytes() != place.read_bytes():
        yield "the model that MLflow serves is not model.safetensors"


def _altered_curves(recorded: RecordedRun) -> Iterator[str]:
    """Compare MLflow's points of each curve with history.csv."""
    for name, points in recorded.curves.items():
        written = enumerate(map(_as_stored, recorded.files.history[name]))
        if _distinct(points) != _distinct(written):
            yield f"the curve {name} in MLflow is not that of history.csv"


def _distinct(points: Iterable[tuple[int, float]]) -> set[tuple[int, str]]:
    """Return points, some of which may have been sent twice, with their values as text, since NaN differs from itself."""
    return {(epoch, repr(value + 0.0)) for epoch, value in points}  # a database has no -0.0


def _as_stored(value: float) -> float:
    """Return a number as MLflow keeps it: the largest one in place of infinity."""
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value
