"""Small runs of every kind, recorded in real MLflow stores, and their re-executions."""

from pathlib import Path

import pytest

from checkouts import ROOT
from databases import new_database
from plainmlp.proof.recorded import RunFiles
from plainmlp.tracking.store import Store
from planted import Subject, executed_again, target_of
from recorded import EXPERIMENT, configuration, record, write_flats

FLATS = {"name": "table", "missing": "mean"}


def _subject(folder: Path, target: str, **values: object) -> Subject:
    """Record a run on a table, in a store of its own, since tests tamper with it."""
    write_flats(folder / "flats.csv")
    address = new_database(folder / "mlflow.db")
    config = configuration(
        dataset={**FLATS, "path": str(folder / "flats.csv"), "target": target},
        model__hidden_sizes=[4],
        training__epochs=3,
        training__dtype="float64",
        training__loss_every=2,
        tracking__uri=address,
        tracking__experiment=EXPERIMENT,
        **values,
    )
    run_id = record(config, folder / "run").summary["run_id"]
    store = Store(address, EXPERIMENT)
    return Subject(target_of(store, folder / "mlflow.db", run_id), ROOT, executed_again(config, ROOT, folder / "again"))


@pytest.fixture(scope="package")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Return a single run that tells classes."""
    return _subject(tmp_path_factory.mktemp("classified"), "kind")


@pytest.fixture(scope="package")
def estimated(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Return a single run that estimates a number."""
    return _subject(tmp_path_factory.mktemp("estimated"), "price")


@pytest.fixture(scope="package")
def again(classified: Subject) -> RunFiles:
    """Return what the re-execution of the run came to."""
    return classified.again
