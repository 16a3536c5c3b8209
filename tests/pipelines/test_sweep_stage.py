"""The stage `sweep`, and a point of it that becomes the main job's: real DVC in clones."""

import json
import re
from pathlib import Path

import pytest
import yaml

from checkouts import clone, commit, run, succeed
from plainmlp.training.model import Model

pytestmark = pytest.mark.slow


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
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = clone_with_small_grid(tmp_path_factory.mktemp("swept") / "first clone")
    succeed(folder, "dvc", "repro", "searches/dvc.yaml")
    return folder


def test_stage_writes_leaderboard_and_figures(swept: Path) -> None:
    board = json.loads((swept / "reports" / "sweep" / "leaderboard.json").read_text())
    assert (board["n_finished"], board["n_failed"], len(board["rows"])) == (8, 0, 4)
    figures = {path.name for path in (swept / "reports" / "sweep" / "figures").iterdir()}
    assert {"heatmap.png", "learning_curves.png"} <= figures


def test_stage_has_the_same_bytes_in_another_clone(swept: Path, tmp_path: Path) -> None:
    other = clone_with_small_grid(tmp_path / "second")
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
    assert re.fullmatch(r"error: run=0123456789abcdef0123456789abcdef: there is no such run .*\n", process.stderr)
    assert (swept / "overrides.yaml").read_bytes() == before
