"""The results of a run, as its files and tags tell them: of the recorded one and of its re-execution alike."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from plainmlp.config.places import Places
from plainmlp.data.arrays import Array
from plainmlp.evaluation.reports import flat_intervals, flat_metrics
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.training.history import STATE_DIGEST, History, read_digests, read_history
from plainmlp.training.model import Model

PREDICTED = "predicted"
NO_NUMBERS = {"row", "actual", PREDICTED}  # columns that count rows or name classes
Content = TypeVar("Content")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model said of the test part.

    Parameters
    ----------
    outputs : ndarray of shape (n_test, n_columns), float64
        Targets, probabilities and estimates, without the columns that hold names.
    classes : tuple of str
        The predicted class of each sample; empty where there are no classes.
    """

    outputs: Array
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.outputs)


@dataclass(frozen=True, eq=False)
class Results:
    """What a run came to.

    Parameters
    ----------
    tags : mapping of str to str
        Digests and fingerprint.
    model : Model, optional
    history : dict
        Empty where there is none.
    digests : tuple of str
        Of the training's states, an entry an epoch; empty where there are none.
    metrics : dict of str to float
        The final ones of every part.
    predictions : Predictions, optional
    problems : dict of str to str
        For the name of each file that cannot be read what is wrong with it.
    """

    tags: Mapping[str, str]
    model: Model | None
    history: History
    digests: tuple[str, ...]
    metrics: dict[str, float]
    predictions: Predictions | None
    problems: dict[str, str]


def read_results(places: Places, tags: Mapping[str, str]) -> Results:
    """Read the files of a run; what is missing or damaged is said in `problems`.

    Parameters
    ----------
    places : Places
    tags : mapping of str to str
    """
    problems: dict[str, str] = {}
    model = _tried(places.model, Model.load, problems)
    history = _tried(places.history, read_history, problems) or {}
    digests = _tried(places.history, _read_states, problems) or ()
    predictions = _tried(places.predictions, _read_predictions, problems) if places.predictions.exists() else None
    metrics: dict[str, float] = {}
    for path, flat in ((places.metrics, flat_metrics), (places.intervals, flat_intervals)):
        if path.exists():
            metrics |= flat(_tried(path, read_json, problems) or {})
    return Results(tags, model, history, digests, metrics, predictions, problems)


def _tried(path: Path, read: Callable[[Path], Content], problems: dict[str, str]) -> Content | None:
    """Read a file, or note why that is not possible."""
    try:
        return read(path)
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problems.setdefault(path.name, str(error).removeprefix(f"{path}: ") if path.exists() else "is missing")
        return None


def _read_states(path: Path) -> tuple[str, ...]:
    """Return the digests of the states in a history; one that was written without has none."""
    with path.open(encoding="utf-8") as file:
        return read_digests(path) if STATE_DIGEST in file.readline() else ()


def _read_predictions(path: Path) -> Predictions:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    named = [column for column, name in enumerate(header) if name in NO_NUMBERS]
    numbers = [[float(cell) for column, cell in enumerate(row) if column not in named] for row in rows]
    classes = tuple(row[header.index(PREDICTED)] for row in rows) if PREDICTED in header else ()
    return Predictions(np.array(numbers), classes)
