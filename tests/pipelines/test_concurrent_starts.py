"""Commands that start at once where nothing is yet."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest

from checkouts import clone, last_ids, tracked_runs
from script import Script

pytestmark = [pytest.mark.slow, pytest.mark.long]
N_PROCESSES = 8
TINY = ("dataset=sincos", "dataset.n_samples=60", "split.validation=0", "model.hidden_sizes=[2]", "training.epochs=1")


def test_processes_that_start_at_once_make_one_database_and_lose_no_run(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone", has_database=False)
    run_ids = set()
    with ExitStack() as stack:
        processes = [
            # a loaded machine may be slow, but no run may end up in the outbox
            stack.enter_context(Script(folder, "pipelines/run.py", *TINY, f"seed={seed}", "tracking.wait_seconds=100"))
            for seed in range(N_PROCESSES)
        ]
        for process in processes:
            output, errors = process.communicate(timeout=300)
            assert (process.returncode, errors) == (0, "")
            run_ids.add(last_ids(output)["run_id"])
    runs = tracked_runs(folder / "mlflow.db")
    assert {tracked.info.run_id for tracked in runs} == run_ids
    assert [tracked.info.status for tracked in runs] == ["FINISHED"] * N_PROCESSES
    assert {tracked.data.params["seed"] for tracked in runs} == {str(seed) for seed in range(N_PROCESSES)}
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert len(database.execute("SELECT * FROM alembic_version").fetchall()) == 1
        assert database.execute("SELECT count(*) FROM experiments WHERE name = 'plainmlp'").fetchone() == (1,)
    assert list((folder / ".plainmlp" / "outbox").glob("record-*")) == []
