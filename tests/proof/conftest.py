"""A small run, recorded in a real MLflow store, and its re-execution."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from plainmlp.config.places import Places
from plainmlp.proof.recorded import RunFiles, read_run_files
from plainmlp.proof.reexecution import TAGS, reexecute
from plainmlp.tracking.store import Store
from recorded import EXPERIMENT, configuration, record, write_flats


@pytest.fixture(scope="package")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Record a run in a store of its own, since tests tamper with it."""
    folder = tmp_path_factory.mktemp("tampered")
    write_flats(folder / "flats.csv")
    address = f"sqlite:///{folder / 'mlflow.db'}"
    config = configuration(
        dataset={"name": "table", "path": str(folder / "flats.csv"), "target": "kind", "missing": "mean"},
        model__hidden_sizes=[4],
        training__epochs=3,
        training__dtype="float64",
        tracking__uri=address,
        tracking__experiment=EXPERIMENT,
    )
    run_id = record(config, folder / "run").summary["run_id"]
    artifacts = folder / "mlruns" / EXPERIMENT / run_id / "artifacts"
    store = Store(address, EXPERIMENT)
    return SimpleNamespace(
        config=config, run_id=run_id, artifacts=artifacts, store=store, database=folder / "mlflow.db"
    )


@pytest.fixture(scope="package")
def again(tracked: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """Return what the re-execution of the run came to."""
    folder: Path = tmp_path_factory.mktemp("again")
    reexecute(tracked.config, folder)
    return read_run_files(Places(folder), json.loads((folder / TAGS).read_text()))
