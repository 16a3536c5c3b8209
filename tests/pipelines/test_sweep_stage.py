"""The stage `sweep`, and a point of it that becomes the main job's: real DVC in clones."""

import json
import re
from pathlib import Path

import pytest
import yaml

from checkouts import clone, commit, run, succeed
from plainmlp.training.model import Model

pytestmark = [pytest.mark.slow, pytest.mark.long]


def clone_with_small_grid(folder: Path) -> Path:
    """Return a clone whose default grid is a quarter of a second's work."""
    grid = clone(folder) / "conf" / "sweep" / "layers_activations.yaml"
    content = yaml.safe_load(grid.read_text())
    content["hydra"]["sweeper"]["params"] = {
        "model.hidden_sizes": "[16],[64,32]",
        "model.activation": "relu,tanh",
        "training.epochs": "3",
        "seed": "0,1",
    }
    grid.write_text(f"# @package _global_\n{yaml.safe_dump(content, sort_keys=False)}")
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the search in a clone whose main job overrides a key of the grid; return the clone, and what was said."""
    folder = clone_with_small_grid(tmp_path_factory.mktemp("swept") / "first clone")
    (folder / "overrides.yaml").write_text("overrides: [model.activation=relu, optimizer.learning_rate=0.002]\n")
    return folder, succeed(folder, "dvc", "repro", "searches/dvc.yaml")


@pytest.fixture(scope="module")
def swept(said: tuple[Path, str]) -> Path:
    return said[0]


def test_stage_names_the_folder_that_stays_and_leaves_nothing_else_there(said: tuple[Path, str]) -> None:
    reports = said[0] / "reports" / "sweep"
    assert f"leaderboard  {reports}" in said[1]
    assert {path.name for path in reports.iterdir()} == {
        "figures",
        *(f"leaderboard.{suffix}" for suffix in ("csv", "json", "md")),
    }


def test_stage_writes_leaderboard_and_figures(swept: Path) -> None:
    board = json.loads((swept / "reports" / "sweep" / "leaderboard.json").read_text())
    assert (board["n_finished"], board["n_failed"], len(board["rows"])) == (8, 0, 4)
    figures = {path.name for path in (swept / "reports" / "sweep" / "figures").iterdir()}
    assert {"heatmap.png", "learning_curves.png"} <= figures


def test_stage_leaves_no_file_that_git_does_not_know(swept: Path) -> None:
    status = succeed(swept, "git", "status", "--porcelain")
    assert [line for line in status.splitlines() if line.startswith("??")] == []


def test_stage_has_the_same_bytes_in_another_clone(swept: Path, tmp_path: Path) -> None:
    other = clone_with_small_grid(tmp_path / "second")
    (other / "overrides.yaml").write_bytes((swept / "overrides.yaml").read_bytes())
    succeed(other, "dvc", "repro", "searches/dvc.yaml")
    first, second = (
        yaml.safe_load((folder / "searches" / "dvc.lock").read_text())["stages"] for folder in (swept, other)
    )
    assert first["sweep"] == second["sweep"]


def test_a_second_time_nothing_runs(swept: Path) -> None:
    assert "up to date" in succeed(swept, "dvc", "repro", "searches/dvc.yaml")


def test_promoted_point_has_the_digest_of_the_sweep(swept: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{swept / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("plainmlp").experiment_id
    point = client.search_runs(
        [experiment],
        "params.`model.activation` = 'tanh' and params.`model.hidden_sizes` = '[64, 32]' and params.seed = '1'",
    )[0]
    succeed(swept, "python", "pipelines/repro.py", f"run={point.info.run_id}")
    model = Model.load(swept / "models" / "model.safetensors")
    assert model.weights_digest == point.data.tags["weights_digest"]
    assert "model.activation='tanh'" in yaml.safe_load((swept / "overrides.yaml").read_text())["overrides"]


def test_unknown_run_is_refused_and_nothing_changes(swept: Path) -> None:
    before = (swept / "overrides.yaml").read_bytes()
    process = run(swept, "python", "pipelines/repro.py", "run=0123456789abcdef0123456789abcdef")
    assert process.returncode == 2
    assert re.fullmatch(r"error: '0123456789abcdef0123456789abcdef' is not a run in sqlite:.*\n", process.stderr)
    assert (swept / "overrides.yaml").read_bytes() == before
