"""pipelines/run.py: what it says and writes, and where its runs are recorded."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import clone, last_ids, run, succeed, tracked_runs
from databases import new_database

pytestmark = pytest.mark.slow
FAST = ("model.hidden_sizes=[8]", "training.epochs=2")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Run once, from another folder than the repository."""
    folder = clone(tmp_path_factory.mktemp("runs") / "my clone")
    succeed(folder, "git", "remote", "add", "origin", "https://ann:hunter2@example.org/x.git?token=hunter2")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    script = folder / "pipelines" / "run.py"
    ended = run(elsewhere, "python", script, *FAST)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(folder=folder, elsewhere=elsewhere, script=script, ended=ended)


def test_last_two_lines_are_the_run_and_its_weights(once: SimpleNamespace) -> None:
    names = [line.split()[0] for line in once.ended.stdout.splitlines()[-2:]]
    assert names == ["run_id", "weights_digest"]
    assert len(last_ids(once.ended.stdout)["weights_digest"]) == 64
    assert once.ended.stderr == ""


def test_what_is_about_to_be_done_is_said_before_anything_slow_is_imported(once: SimpleNamespace) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(once.script.parent)!r}); sys.argv = ['run.py']; import run\n"
        "run.run_alone = lambda config, folder: print(*sys.modules)\n"
        "run.main()"
    )
    said, imported = succeed(once.elsewhere, "python", "-c", code).splitlines()
    assert said.startswith("digits 128 relu adam: 50 epochs at most, into ")
    slow = {"mlflow", "sklearn", "matplotlib", "pandas", "numba", "plainmlp.tracking.store", "plainmlp.sweeps"}
    assert not slow & set(imported.split())


def test_a_run_says_first_what_it_learns_from_and_trains(once: SimpleNamespace) -> None:
    lines = [line for line in once.ended.stdout.splitlines() if line.startswith(("digits:", "training:", "epoch 1/"))]
    assert [line.split()[0] for line in lines] == ["digits:", "training:", "epoch"]
    assert lines[0] == "digits: 1797 rows of 64 features, target digit (10 classes)"
    assert "64 inputs > 8 relu > 10 outputs" in lines[1]


def test_run_is_recorded_at_the_root_of_the_repository(once: SimpleNamespace) -> None:
    (tracked,) = [
        tracked
        for tracked in tracked_runs(once.folder / "mlflow.db")
        if tracked.info.run_id == last_ids(once.ended.stdout)["run_id"]
    ]
    assert tracked.info.status == "FINISHED"
    assert "git_dirty" not in tracked.data.tags
    assert tracked.data.tags["mlflow.source.git.commit"] == succeed(once.folder, "git", "rev-parse", "HEAD").strip()
    assert "example.org" not in repr(tracked.data.tags)
    assert not list(once.elsewhere.glob("mlflow.db"))


def test_summary_and_results_are_in_a_folder_of_its_own(once: SimpleNamespace) -> None:
    (summary,) = once.elsewhere.glob("outputs/*/*/run.json")
    found = json.loads(summary.read_text(encoding="utf-8"))
    ids = last_ids(once.ended.stdout)
    assert {name: found[name] for name in ids} == ids
    (tracked,) = [t for t in tracked_runs(once.folder / "mlflow.db") if t.info.run_id == ids["run_id"]]
    assert found["point_id"] == tracked.data.tags["point_id"]
    assert found["metrics"]["test_accuracy"] == tracked.data.metrics["test_accuracy"]
    names = {path.relative_to(summary.parent).as_posix() for path in summary.parent.rglob("*") if path.is_file()}
    assert names >= {"models/model.safetensors", "reports/history.csv", "reports/metrics.json", ".hydra/config.yaml"}
    assert names >= {"reports/columns.csv", "reports/tables/classes.csv"}
    assert not [name for name in names if name.endswith(".log")]


def test_sweep_runs_every_value_and_a_seed_gives_its_weights_again(once: SimpleNamespace, tmp_path: Path) -> None:
    address = new_database(tmp_path / "sweep.db")
    succeed(tmp_path, "python", once.script, "-m", *FAST, "seed=0,1", MLFLOW_TRACKING_URI=address)
    (parent,) = [t for t in tracked_runs(tmp_path / "sweep.db") if "sweep_id" in t.data.tags]
    children = [t for t in tracked_runs(tmp_path / "sweep.db") if t.info.run_id != parent.info.run_id]
    assert {t.data.tags["mlflow.parentRunId"] for t in children} == {parent.info.run_id}
    found = {t.data.params["seed"]: t.data.tags["weights_digest"] for t in children}
    assert found.keys() == {"0", "1"}
    assert found["0"] == last_ids(once.ended.stdout)["weights_digest"] != found["1"]


@pytest.mark.long
def test_runs_started_together_share_nothing(once: SimpleNamespace, tmp_path: Path) -> None:
    address = f"tracking.uri=sqlite:///{tmp_path / 'mine.db'}"
    other = f"sqlite:///{tmp_path / 'theirs.db'}"

    def start(seed: int) -> subprocess.CompletedProcess[str]:
        arguments = ("python", once.script, *FAST, f"seed={seed}", address)
        return run(tmp_path, *arguments, MLFLOW_TRACKING_URI=other)

    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(start, (0, 1)))
    assert [(process.returncode, process.stderr) for process in ended] == [(0, ""), (0, "")]
    assert len(list(tmp_path.glob("outputs/*/*/run.json"))) == 2
    ids = {last_ids(process.stdout)["run_id"] for process in ended}
    assert {tracked.info.run_id for tracked in tracked_runs(tmp_path / "mine.db")} == ids
    assert not (tmp_path / "theirs.db").exists()


def test_mistake_in_a_sweep_ends_it_before_any_run(once: SimpleNamespace, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'sweep.db'}"
    ended = run(tmp_path, "python", once.script, "-m", *FAST, "seed=0,-1", MLFLOW_TRACKING_URI=address)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: seed=-1 is not allowed")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "sweep.db").exists()
