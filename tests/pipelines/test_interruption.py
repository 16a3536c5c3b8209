"""Ctrl-C and SIGTERM in the middle of a training, sent to a real process."""

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from checkouts import ROOT, clone, tracked_runs
from databases import new_database
from script import Script
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]
LONG = ("dataset=clusters", "split.validation=0", "training.epochs=1000000", "model.hidden_sizes=[4]")
SECONDS = 120


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_interrupted_training_ends_clean(tmp_path: Path, number: signal.Signals, code: int, word: str) -> None:
    database = tmp_path / "mlflow.db"
    words = (str(ROOT / "pipelines" / "run.py"), *LONG, f"tracking.uri={new_database(database)}")
    with Script(tmp_path, *words) as process:
        _wait_for_training(database, process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (code, f"{word}; run the same command again to continue\n")
    (tracked,) = tracked_runs(database)
    assert tracked.info.status == "KILLED"
    assert tracked.data.metrics["train_loss"] > 0
    assert [path for path in tmp_path.glob("outputs/*/*/*") if path.name != ".hydra"] == []


def _wait_for_training(database: Path, process: Script) -> None:
    """Wait until the first epochs of the run are recorded."""
    wait_until(lambda: _epochs_recorded(database) or process.poll() is not None, "an epoch", SECONDS)
    assert process.poll() is None, process.communicate()


def _epochs_recorded(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as connection:
        found: bool = connection.execute("SELECT EXISTS (SELECT * FROM metrics WHERE key = 'train_loss')").fetchone()[0]
        return found


def test_interrupted_repro_ends_clean(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    with Script(folder, "pipelines/repro.py", *LONG) as process:
        _wait_for_training(folder / "mlflow.db", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to all processes of the command
        _, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, errors) == (130, "interrupted; run the same command again to continue\n")
    assert [tracked.info.status for tracked in tracked_runs(folder / "mlflow.db")] == ["KILLED"]
    assert not (folder / "models" / "model.safetensors").exists()
