"""The record of a run, read from MLflow into a folder and into memory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from plainmlp.config.canonical import read_yaml
from plainmlp.config.places import Places
from plainmlp.proof.run_files import Results, read_results
from plainmlp.sweeps.ranking.results import FINISHED
from plainmlp.system.errors import InputError
from plainmlp.tracking.recording.provenance import FOLDER, PACKAGES, PATCH, RECORD
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import download_files, read_curves, read_run
from plainmlp.tracking.tags import SWEEP_TAG
from plainmlp.training.backends.table import OWN_BACKEND

CONFIGURATION = "config.yaml"


@dataclass(frozen=True, eq=False)
class Recorded:
    """What MLflow holds of a run.

    Parameters
    ----------
    run_id : str
    root : Path
        The folder of its files.
    results : Results
        With the final metrics of its files and, where these have them not, of MLflow.
    written : dict of str to float
        The final metrics of its files.
    parameters : mapping of str to str
    metrics : mapping of str to float
        As MLflow has them.
    curves : dict
        For each column of history.csv what MLflow has of it, as epoch and value.
    """

    run_id: str
    root: Path
    results: Results
    written: Mapping[str, float]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    curves: Mapping[str, list[tuple[int, float]]]

    @property
    def served_model(self) -> Path:
        """Return the place of the model that MLflow serves; there may be no such file."""
        return self.root / "served.safetensors"

    @property
    def places(self) -> Places:
        """Return where its results are."""
        return Places(self.root)

    @property
    def configuration(self) -> Path:
        """Return the place of its config.yaml."""
        return self.root / CONFIGURATION

    @property
    def backend(self) -> str:
        """Return what trained it."""
        section = read_yaml(self.configuration).get(
            "backend", {"name": OWN_BACKEND}
        )  # the first runs had no such section
        return str(section["name"])

    @property
    def provenance(self) -> Path:
        """Return the place of the file of its tags."""
        return self.root / FOLDER / RECORD

    @property
    def packages(self) -> Path:
        """Return the place of the list of what was installed."""
        return self.root / FOLDER / PACKAGES

    @property
    def patch(self) -> Path:
        """Return the place of what its checkout had that its commit has not; there may be no such file."""
        return self.root / FOLDER / PATCH


def read_recorded(store: Store, run_id: str, root: Path) -> Recorded:
    """Read the record of a run.

    Parameters
    ----------
    store : Store
    run_id : str
    root : Path
        Takes its files.

    Raises
    ------
    InputError
        There is no such run, or it is none that can be executed again.
    """
    record = read_run(store, run_id)
    if SWEEP_TAG in record.tags:
        message = f"{run_id} is the run of a sweep, which computes nothing itself; --sweep executes its points again"
        raise InputError(message)
    if record.status != FINISHED:
        message = f"{run_id} ended {record.status}; only a run that is {FINISHED} has results to compare"
        raise InputError(message)
    download_files(store, run_id, _artifacts(root))
    results = read_results(Places(root), record.tags)
    written, curves = results.metrics, read_curves(store, run_id, results.history)
    metrics = {name: value for name, value in record.metrics.items() if name not in curves}
    results = replace(results, metrics={**metrics, **written})
    recorded = Recorded(run_id, root, results, written, record.parameters, record.metrics, curves)
    if not recorded.configuration.exists():
        message = f"{run_id} has no artifact {CONFIGURATION}, without which it cannot be executed again"
        raise InputError(message)
    return recorded


def _artifacts(root: Path) -> dict[str, Path]:
    """Return for each artifact that a run may have where it goes."""
    places = Places(root)
    results = (places.model, places.history, places.metrics, places.intervals, places.predictions)
    provenance = (f"{FOLDER}/{name}" for name in (RECORD, PACKAGES, PATCH))
    return {
        CONFIGURATION: root / CONFIGURATION,
        **{place.name: place for place in results},
        **{name: root / name for name in provenance},
        "model/data/model.safetensors": root / "served.safetensors",
    }
