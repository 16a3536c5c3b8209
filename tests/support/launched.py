"""Sweeps as commands: how they are started, and what they leave in MLflow, in the archive and in their folder."""

from pathlib import Path

import pytest

from checkouts import tracked_runs

SCRIPT = "pipelines/run.py"
LAUNCHERS = {
    "basic": (),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "dask": ("hydra/launcher=dask",),
    "processes": ("hydra/launcher=processes", "hydra.launcher.n_jobs=2"),
}
PROCESSES = LAUNCHERS["processes"]
LONG = ("split.train=100", "split.validation=50", "split.test=50", "training.epochs=100000", "training.batch_size=1")
OF_OTHERS = ("joblib", "dask")  # whose processes import everything, for many seconds
LEADERBOARD = ("leaderboard.csv", "leaderboard.json", "leaderboard.md")


def launchers(*names: str) -> list[object]:
    """Return launchers as parameters of a test, those of other libraries for `make test-services`."""
    return [pytest.param(name, marks=pytest.mark.services) if name in OF_OTHERS else name for name in names]


def experiment(name: str) -> str:
    return f"tracking.experiment={name}"


def tree(folder: Path, experiment: str = "plainmlp"):
    """Return the runs of sweeps in an experiment, and the runs below them."""
    runs = tracked_runs(folder / "mlflow.db", experiment)
    children = [each for each in runs if "mlflow.parentRunId" in each.data.tags]
    return [each for each in runs if "sweep_id" in each.data.tags], children


def board(sweep_folder: Path) -> list[bytes]:
    return [(sweep_folder / name).read_bytes() for name in LEADERBOARD]


def archived(folder: Path) -> dict[str, int]:
    """Return when each point was written to the archive."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / ".plainmlp/archive").glob("*/points/[0-9a-f]*")}
