"""The record of a run: files, tags, parameters and metrics, read so that a damaged or foreign record can do no harm."""

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from plainmlp.composition.overrides import CONFIGURATION
from plainmlp.config.canonical import read_yaml
from plainmlp.config.places import Places
from plainmlp.data.arrays import Array
from plainmlp.evaluation.reports import flat_intervals, flat_metrics
from plainmlp.sweeps.ranking.results import FINISHED
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.outbox import as_published
from plainmlp.tracking.recording.configuration import flat_parameters
from plainmlp.tracking.recording.provenance import PACKAGES, PATCH, PROVENANCE, RECORD, recorded_provenance
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import StoredRun, download_files, read_curves, read_run
from plainmlp.tracking.tags import SWEEP_TAG
from plainmlp.training.backends.table import OWN_BACKEND
from plainmlp.training.history import STATE_DIGEST, History, read_digests, read_history, read_steps
from plainmlp.training.model import Model

PREDICTED = "predicted"
NO_NUMBERS = {"row", "id", "actual", PREDICTED}  # columns with numbers or names of rows, or with classes
# what reading a damaged file may raise
DAMAGES = (InputError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error)
Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model predicted for the test part.

    Parameters
    ----------
    outputs : ndarray of shape (n_test, n_columns), float64
        Targets, probabilities and estimates.
    classes : tuple of str
        The predicted class of each sample; empty without classes.
    given : tuple of tuple of str
        The names of all columns, then for each sample what is not a prediction: its row, id and actual class.
    """

    outputs: Array
    classes: tuple[str, ...]
    given: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class RunFiles:
    """The tags and files of a run; a file that cannot be read is empty or None, and `problems` says why."""

    tags: Mapping[str, str]  # digests and fingerprint
    model: Model | None
    history: History
    steps: History | None
    digests: tuple[str, ...]  # of the training's states, an entry an epoch
    metrics: dict[str, float]  # the final ones of every part
    predictions: Predictions | None
    problems: dict[str, str]


def read_run_files(places: Places, tags: Mapping[str, str], *, is_flat: bool = False) -> RunFiles:
    """Read the files of a run; `problems` says what is missing or damaged.

    With `is_flat` all are in one folder, as artifacts are.
    """
    problems: dict[str, str] = {}

    def at(path: Path) -> Path:
        return places.root / path.name if is_flat else path

    def optional(path: Path, read: Callable[[Path], Content]) -> Content | None:
        return tried(at(path), read, problems) if at(path).exists() else None

    metrics: dict[str, float] = {}
    for path, flat in ((places.metrics, flat_metrics), (places.intervals, flat_intervals)):
        metrics |= optional(path, lambda file, flat=flat: _numbers(flat(read_json(file)))) or {}  # type: ignore[misc]
    return RunFiles(
        tags,
        tried(at(places.model), Model.load, problems),
        tried(at(places.history), read_history, problems) or {},
        optional(places.steps, read_steps),
        tried(at(places.history), _read_states, problems) or (),
        metrics,
        optional(places.predictions, _read_predictions),
        problems,
    )


def tried(path: Path, read: Callable[[Path], Content], problems: dict[str, str]) -> Content | None:
    """Read a file, or note its problem."""
    try:
        return read(path)
    except DAMAGES as error:
        reason = str(error).removeprefix(str(path)).lstrip(":, ") or type(error).__name__
        problems.setdefault(path.name, reason if path.exists() else "is missing")
        return None


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return values as numbers, and raise an error if one is not."""
    return {name: float(json.dumps(value)) for name, value in values.items()}


def _read_states(path: Path) -> tuple[str, ...]:
    """Return the digests of the states in a history; those of early versions have none."""
    with path.open(encoding="utf-8") as file:
        return read_digests(path) if STATE_DIGEST in file.readline() else ()


def _read_predictions(path: Path) -> Predictions:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, strict=True)
    if any(len(row) != len(header) for row in rows):
        message = f"{path}: has rows of another length than its header"
        raise InputError(message)
    named = [column for column, name in enumerate(header) if name in NO_NUMBERS]
    numbers = [[float(cell) for column, cell in enumerate(row) if column not in named] for row in rows]
    classes = tuple(row[header.index(PREDICTED)] for row in rows) if PREDICTED in header else ()
    given = (tuple(row[column] for column in named if header[column] != PREDICTED) for row in rows)
    return Predictions(np.array(numbers, dtype=np.float64), classes, (tuple(header), *given))


@dataclass(eq=False)
class RecordedRun:
    """The record of a run in MLflow; any file may be missing."""

    run: StoredRun
    root: Path
    files: RunFiles  # with the final metrics of its files and, if these lack them, of MLflow
    written: Mapping[str, float]  # the final metrics of its files alone
    configured: Mapping[str, str] | None  # config.yaml as parameters, if it can be read
    provenance: Mapping[str, str] | None  # the content of provenance.json
    # of each column of history.csv, named as in MLflow, as epoch and value
    curves: Mapping[str, list[tuple[int, float]]]

    def __post_init__(self) -> None:
        """Name the files of the folder."""
        self.configuration, self.model = self.root / CONFIGURATION, self.root / "model.safetensors"
        self.served_model = self.root / "model" / "data" / "model.safetensors"
        self.packages, self.patch = self.root / PROVENANCE / PACKAGES, self.root / PROVENANCE / PATCH

    @property
    def tags(self) -> Mapping[str, str]:
        """Return the tags of the run and of its provenance."""
        return self.files.tags

    @property
    def backend(self) -> str:
        """Return the backend that trained it; the configurations of early versions do not name it."""
        return (self.configured or {}).get("backend.name", OWN_BACKEND)


def read_recorded(store: Store, run_id: str, root: Path) -> RecordedRun:
    """Read the record of a run, its files into a folder; raise InputError if it cannot be executed again."""
    run = read_run(store, run_id)
    if SWEEP_TAG in run.tags:
        message = f"{run_id} is a sweep's parent run; pass --sweep to verify its points"
        raise InputError(message)
    if run.status != FINISHED:
        message = f"{run_id} is {run.status}; only a run that is {FINISHED} has results to compare"
        raise InputError(message)
    problems = download_files(store, run, root)
    record = root / PROVENANCE / RECORD
    provenance = tried(record, lambda _: recorded_provenance(root), problems) if record.exists() else None
    tags = {**(provenance or {}), **run.tags}
    if not problems and not (root / CONFIGURATION).exists() and "configuration_digest" not in tags:
        message = f"{run_id} has no artifact {CONFIGURATION}, so it cannot be executed again"
        raise InputError(message)
    files = read_run_files(Places(root), tags, is_flat=True)
    configured = tried(root / CONFIGURATION, lambda path: flat_parameters(read_yaml(path)), files.problems)
    files.problems.update(problems)
    names = as_published(files.history, run.metrics)
    curves = read_curves(store, run_id, [name for name in names if name in run.metrics])
    metrics = {name: value for name, value in run.metrics.items() if name not in curves}
    whole = replace(files, metrics={**metrics, **files.metrics})
    return RecordedRun(run, root, whole, files.metrics, configured, provenance, curves)
