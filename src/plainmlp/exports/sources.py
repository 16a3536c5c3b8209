"""The model to export, found by its file or its run, with what is known of its training and data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from plainmlp.composition.compose import parse
from plainmlp.composition.overrides import CONFIGURATION
from plainmlp.config.canonical import read_yaml
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config, DatasetSection
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.data.storage import read_splits
from plainmlp.evaluation.reports import flat_intervals, flat_metrics
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.children import MODEL_FILE
from plainmlp.tracking.datasets import DataInput, data_inputs
from plainmlp.tracking.recording.provenance import recorded_provenance
from plainmlp.tracking.stored_runs import Reader, StoredRun, download_files, read_run
from plainmlp.training.model import Model

METRICS, INTERVALS = "metrics.json", "intervals.json"  # among the artifacts of a run
# a run lists each part of its data with what it used it for, or all parts as one, with `n_train` and the like
CONTEXT = "mlflow.data.context"
PARTS = {"training": "train", "validation": "validation", "test": "test"}
# what to say of a run: tags, and its id
KNOWN = ("run_id", "point_id", "git_commit", "git_dirty", "code_digest", "data_digest", "split_digest")


@dataclass(frozen=True, eq=False)
class Source:
    """A model and what is known of it.

    Parameters
    ----------
    metadata : mapping of str to str
        Known ids and digests.
    splits : Splits, optional
        The data that it was trained and tested on, if they are at hand.
    """

    model: Model
    metadata: Mapping[str, str]
    splits: Splits | None


def source_of_file(path: Path) -> Source:
    """Return the model of a file, with what its run left beside it."""
    model, root = Model.load(path), path.absolute().parent.parent
    summaries = map(_summary, (root / "run.json", root / "reports" / "run.json"))
    summary = next((each for each in summaries if each.get("weights_digest") == model.weights_digest), {})
    folder = root / "data" / "split"
    splits = read_splits(folder) if folder.is_dir() else None
    return Source(model, _known(summary), splits if _is_of(splits, model) else None)


def source_of_run(store: Reader, run_id: str, checkout: Path) -> Source:
    """Return the model that a run recorded; its data are fetched again, if they can be.

    Raises
    ------
    InputError
        There is no such run, it has no model, or MLflow cannot be reached.
    """
    run = read_run(store, run_id)
    with TemporaryDirectory() as folder:
        model = _downloaded(store, run, Path(folder))
        found, tags = _fetched(Path(folder), model, checkout), {**recorded_provenance(Path(folder)), **run.tags}
    return Source(model, _known({**tags, "run_id": run.run_id}), None if found is None else found[1])


def recorded_data(store: Reader, run_id: str, checkout: Path) -> list[DataInput]:
    """Return the data that a run used, to be listed with it; none if they cannot be fetched any more."""
    with TemporaryDirectory() as folder:
        model = _downloaded(store, read_run(store, run_id), Path(folder))
        found = _fetched(Path(folder), model, checkout)
    return [] if found is None else data_inputs(*found)


def _fetched(folder: Path, model: Model, checkout: Path) -> tuple[DatasetSection, Splits] | None:
    """Return the data section of a run's configuration and the split data, if its model was trained on them."""
    try:
        config = found_inputs(parse(read_yaml(folder / CONFIGURATION)), checkout)
        splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    except InputError:  # its file has moved, or its source cannot be reached
        return None
    return (config.dataset, splits) if _is_of(splits, model) else None


def recorded_model(store: Reader, run: StoredRun) -> tuple[StoredRun, Model, Config]:
    """Return a run with the metrics, intervals and provenance in its files, its model and its configuration.

    Raises
    ------
    InputError
        It has none, or MLflow cannot be reached.
    """
    with TemporaryDirectory() as folder:
        model = _downloaded(store, run, Path(folder))
        files = ((Path(folder) / METRICS, flat_metrics), (Path(folder) / INTERVALS, flat_intervals))
        found = {name: value for path, flat in files if path.exists() for name, value in flat(read_json(path)).items()}
        whole = replace(run, metrics={**run.metrics, **found}, tags={**recorded_provenance(Path(folder)), **run.tags})
        return whole, model, parse(read_yaml(Path(folder) / CONFIGURATION))


def part_sizes(store: Reader, run_id: str) -> dict[str, int]:
    """Return the number of rows of each part of a run's data, if it is recorded."""
    sizes: dict[str, int] = {}
    for each in store.ask(lambda: store.client.get_run(run_id)).inputs.dataset_inputs:
        profile, tags = json.loads(each.dataset.profile or "{}"), {tag.key: tag.value for tag in each.tags}
        named = {f"n_{PARTS.get(tags.get(CONTEXT, ''))}": profile.get("num_rows"), **profile}
        sizes |= {part: int(named[f"n_{part}"]) for part in PARTS.values() if named.get(f"n_{part}")}
    return {part: sizes[part] for part in PARTS.values() if part in sizes}


def _downloaded(store: Reader, run: StoredRun, folder: Path) -> Model:
    """Copy the files of a run to a folder; return the model among them."""
    problems = download_files(store, run, folder)
    if not (folder / MODEL_FILE).exists():
        problem = problems.get(MODEL_FILE, "a finished run has one")
        message = f"run {run.run_id}, which is {run.status}, has no {MODEL_FILE} ({problem})"
        raise InputError(message)
    return Model.load(folder / MODEL_FILE)


def _known(tags: Mapping[str, str | None]) -> dict[str, str]:
    return {key: text for key in KNOWN if (text := tags.get(key))}


def _summary(path: Path) -> dict[str, Any]:
    """Return the summary that a run wrote for scripts, or nothing."""
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def _is_of(splits: Splits | None, model: Model) -> bool:
    """Say whether a model was prepared for this split data."""
    return splits is not None and splits.preparation.to_dict() == model.preparation.to_dict()
