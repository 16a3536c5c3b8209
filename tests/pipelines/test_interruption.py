"""Ctrl-C and SIGTERM in the middle of a training, sent to a real process."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from checkouts import ROOT, clone, environment, tracked_runs
from script import Script

pytestmark = pytest.mark.slow
LONG = ("dataset=clusters", "split.validation=0", "training.epochs=1000000", "model.hidden_sizes=[4]")
SECONDS = 120


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_interrupted_training_ends_clean(tmp_path: Path, number: signal.Signals, code: int, word: str) -> None:
    database = tmp_path / "mlflow.db"
    words = (str(ROOT / "pipelines" / "run.py"), *LONG, f"tracking.uri=sqlite:///{database}")
    with Script(tmp_path, *words) as process:
        _wait_for_training(database, process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (code, f"{word}\n")
    (tracked,) = tracked_runs(database)
    assert tracked.info.status == "KILLED"
    assert tracked.data.metrics["train_loss"] > 0
    assert [path for path in tmp_path.glob("outputs/*/*/*") if path.name != ".hydra"] == []


def _wait_for_training(database: Path, process: subprocess.Popen[str] | Script) -> None:
    """Wait until the first epochs of the run are recorded."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        if (database.with_name("mlruns")).exists() and _epochs_recorded(database):
            return
        time.sleep(0.2)
    pytest.fail(f"no epoch was recorded: {process.communicate(timeout=SECONDS)}")


def _epochs_recorded(database: Path) -> bool:
    return any("train_loss" in tracked.data.metrics for tracked in tracked_runs(database))


def test_interrupted_repro_ends_clean(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    command = ["python", "pipelines/repro.py", *LONG]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        _wait_for_training(folder / "mlflow.db", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to all processes of the command
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert [tracked.info.status for tracked in tracked_runs(folder / "mlflow.db")] == ["KILLED"]
    assert not (folder / "models" / "model.safetensors").exists()
