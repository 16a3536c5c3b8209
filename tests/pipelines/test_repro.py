"""`dvc repro` in a fresh clone, and then in the ways that a user goes on from there."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from checkouts import clone, commit, last_ids, run, stages_run, succeed, tracked_runs
from plainmlp.config.code import digest_result_code

pytestmark = [pytest.mark.slow, pytest.mark.long]
COMMITTED = {"dvc.lock", "params.yaml", "reports/metrics.json"}
SLOWER = ("learning_rate: 0.001", "learning_rate: 0.0005")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Run `dvc repro` in a fresh clone, twice."""
    folder = clone(tmp_path_factory.mktemp("a place") / "my clone", has_database=False)
    (folder / "dvc.lock").unlink(missing_ok=True)
    first = succeed(folder, "dvc", "repro")
    runs = tracked_runs(folder / "mlflow.db")
    second = succeed(folder, "dvc", "repro")
    changed = succeed(folder, "git", "status", "--porcelain")
    commit(folder)
    return SimpleNamespace(folder=folder, first=first, second=second, runs=runs, changed=changed)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def _results(folder: Path) -> dict[str, bytes]:
    names = [
        "models/model.safetensors",
        "reports/history.csv",
        "reports/steps.csv",
        "reports/metrics.json",
        "reports/predictions.csv",
        "params.yaml",
        "dvc.lock",
    ]
    return {name: (folder / name).read_bytes() for name in names}


def _finished(runs: list[Any]) -> bool:
    return all(tracked.info.status == "FINISHED" for tracked in runs)


def test_fresh_clone_runs_every_stage_and_then_none(fresh: SimpleNamespace) -> None:
    assert stages_run(fresh.first) == ["compose", "fetch", "split", "train", "evaluate"]
    assert stages_run(fresh.second) == []
    assert "Data and pipelines are up to date." in fresh.second
    assert "Data and pipelines are up to date." in succeed(fresh.folder, "dvc", "status", "dvc.yaml")


def test_repro_changes_no_file_of_the_repository_but_its_results(fresh: SimpleNamespace) -> None:
    assert {line[3:] for line in fresh.changed.splitlines()} <= COMMITTED
    tracked = set(succeed(fresh.folder, "git", "ls-files").splitlines())
    assert tracked >= COMMITTED


def test_nothing_but_words_for_the_user_is_said(fresh: SimpleNamespace) -> None:
    said = fresh.first.lower()
    assert not [word for word in ("warning", "deprecat", "traceback", "alembic") if word in said]


def test_one_run_holds_the_training_and_the_evaluation(fresh: SimpleNamespace) -> None:
    (tracked,) = fresh.runs
    assert tracked.info.status == "FINISHED"
    assert {"train_loss", "validation_accuracy", "test_accuracy", "test_log_loss"} <= set(tracked.data.metrics)
    assert min(tracked.data.metrics) > "baseline"  # MLflow's charts stand in this order
    assert {"point_id", "weights_digest", "manifest_digest"} <= set(tracked.data.tags)
    assert tracked.data.params["model.hidden_sizes"] == "[128]"


def test_digits_are_recognised(fresh: SimpleNamespace) -> None:
    assert json.loads((fresh.folder / "reports" / "metrics.json").read_text())["test"]["accuracy"] >= 0.97


def test_other_clone_has_the_same_lock_and_weights(fresh: SimpleNamespace, tmp_path: Path) -> None:
    other = tmp_path / "deeper" / "down" / "clone"
    succeed(tmp_path, "git", "clone", "--quiet", fresh.folder, other)
    (other / "dvc.lock").unlink()
    succeed(other, "dvc", "repro")
    assert _results(other) == _results(fresh.folder)
    (tracked,) = tracked_runs(other / "mlflow.db")
    same = ("weights_digest", "point_id")
    assert [tracked.data.tags[tag] for tag in same] == [fresh.runs[0].data.tags[tag] for tag in same]


def test_both_doors_give_the_same_point_and_weights(fresh: SimpleNamespace, tmp_path: Path) -> None:
    output = succeed(tmp_path, "python", fresh.folder / "pipelines" / "run.py")
    tracked = next(t for t in tracked_runs(fresh.folder / "mlflow.db") if t.info.run_id == last_ids(output)["run_id"])
    tags = fresh.runs[0].data.tags
    assert tracked.data.tags["point_id"] == tags["point_id"]
    assert tracked.data.tags["weights_digest"] == last_ids(output)["weights_digest"] == tags["weights_digest"]


def test_value_of_the_optimizer_runs_the_training_again_and_its_return_restores(fresh: SimpleNamespace) -> None:
    before = _results(fresh.folder)
    adam = fresh.folder / "conf" / "optimizer" / "adam.yaml"
    _replace(adam, *SLOWER)
    assert stages_run(succeed(fresh.folder, "dvc", "repro")) == ["compose", "train", "evaluate"]
    assert _results(fresh.folder)["models/model.safetensors"] != before["models/model.safetensors"]
    assert "learning_rate" in succeed(fresh.folder, "dvc", "params", "diff")
    _replace(adam, *reversed(SLOWER))
    assert "train" not in stages_run(succeed(fresh.folder, "dvc", "repro"))
    assert _results(fresh.folder) == before
    assert _finished(tracked_runs(fresh.folder / "mlflow.db"))


def test_comment_trains_nothing_again_and_changes_what_compose_has_read_alone(fresh: SimpleNamespace) -> None:
    before = _results(fresh.folder)
    losses = fresh.folder / "src" / "plainmlp" / "nn" / "losses.py"
    losses.write_text(f"# a comment\n{losses.read_text(encoding='utf-8')}", encoding="utf-8")
    assert stages_run(succeed(fresh.folder, "dvc", "repro")) == ["compose"]
    after = _results(fresh.folder)
    assert [name for name in before if before[name] != after[name]] == ["dvc.lock"]
    old, new = (yaml.safe_load(results["dvc.lock"])["stages"] for results in (before, after))
    assert [name for name in old if old[name] != new[name]] == ["compose"]
    succeed(fresh.folder, "git", "checkout", ".")
    assert stages_run(succeed(fresh.folder, "dvc", "repro")) == []


def test_edits_run_again_what_they_can_change(fresh: SimpleNamespace) -> None:
    before = _results(fresh.folder)
    package = fresh.folder / "src" / "plainmlp"
    edits = {
        "tracking/store.py": [],
        "sweeps/session.py": [],
        "proof/comparison.py": [],
        "evaluation/metrics.py": ["evaluate"],
    }
    for name, stages in edits.items():
        module = package / name
        module.write_text(f"{module.read_text(encoding='utf-8')}\nNEW = 1\n", encoding="utf-8")
        assert stages_run(succeed(fresh.folder, "dvc", "repro")) == ["compose", *stages], name
    assert _results(fresh.folder)["models/model.safetensors"] == before["models/model.safetensors"]
    succeed(fresh.folder, "git", "checkout", ".")
    succeed(fresh.folder, "dvc", "repro")
    assert _results(fresh.folder) == before


def test_no_result_holds_a_digest_of_code(fresh: SimpleNamespace) -> None:
    code = yaml.safe_load((fresh.folder / "params.yaml").read_text(encoding="utf-8"))["code"]
    digests = {digest.encode() for digest in (*code.pop("scripts").values(), *code.values())}
    digests |= {fresh.runs[0].data.tags["point_id"].encode(), digest_result_code().encode()}
    folders = (fresh.folder / name for name in ("data/raw", "data/split", "models", "reports"))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != "run.json"]
    assert len(files) > 10  # beside the one that says which run it was, and is no output of a stage
    assert [path.name for path in files if any(digest in path.read_bytes() for digest in digests)] == []


def test_file_that_is_not_selected_runs_compose_alone(fresh: SimpleNamespace) -> None:
    sgd = fresh.folder / "conf" / "optimizer" / "sgd.yaml"
    _replace(sgd, "learning_rate: 0.1", "learning_rate: 0.2")
    assert stages_run(succeed(fresh.folder, "dvc", "repro")) == ["compose"]
    succeed(fresh.folder, "git", "checkout", sgd)
    succeed(fresh.folder, "dvc", "repro")


def test_evaluation_alone_makes_a_whole_run(fresh: SimpleNamespace) -> None:
    assert stages_run(succeed(fresh.folder, "dvc", "repro", "-s", "-f", "evaluate")) == ["evaluate"]
    latest, *_ = runs = tracked_runs(fresh.folder / "mlflow.db")
    assert _finished(runs)
    assert latest.info.run_id != fresh.runs[0].info.run_id
    expected = fresh.runs[0].data.metrics.keys() - {"training_seconds"}
    assert set(latest.data.metrics) == expected
    assert latest.data.tags["weights_digest"] == fresh.runs[0].data.tags["weights_digest"]


def test_hand_edited_parameters_are_made_again(fresh: SimpleNamespace) -> None:
    params = fresh.folder / "params.yaml"
    before = params.read_bytes()
    _replace(params, "epochs: 50", "epochs: 3")
    output = succeed(fresh.folder, "dvc", "repro")
    assert "params.yaml was changed by hand (training); rebuilt from conf/ and overrides.yaml" in output
    assert stages_run(output) == ["compose"]
    assert params.read_bytes() == before


def test_experiment_takes_its_value_over_into_the_overrides(fresh: SimpleNamespace) -> None:
    before = json.loads((fresh.folder / "reports" / "metrics.json").read_text())
    succeed(fresh.folder, "dvc", "exp", "run", "-S", "optimizer.learning_rate=1e-5", "-S", "training.epochs=2")
    overrides = yaml.safe_load((fresh.folder / "overrides.yaml").read_text())["overrides"]
    assert sorted(overrides) == ["optimizer.learning_rate=1e-05", "training.epochs=2"]
    after = json.loads((fresh.folder / "reports" / "metrics.json").read_text())
    assert after["test"]["accuracy"] < before["test"]["accuracy"]
    assert "test.accuracy" in succeed(fresh.folder, "dvc", "metrics", "diff")
    assert "up to date" in succeed(fresh.folder, "dvc", "repro")
    succeed(fresh.folder, "git", "checkout", ".")
    succeed(fresh.folder, "dvc", "checkout")


def test_metrics_and_plots_are_shown(fresh: SimpleNamespace) -> None:
    assert "test.accuracy" in succeed(fresh.folder, "dvc", "metrics", "show")
    ended = run(fresh.folder, "dvc", "plots", "show")
    assert (ended.returncode, ended.stderr) == (0, "")
    page = (fresh.folder / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert all(name in page for name in ('"train.csv"', '"validation.csv"', "confusion_matrix.png"))
    assert page.count("vegaEmbed(") == 1  # both parts on the same axes
    assert "dvc_plots" not in succeed(fresh.folder, "git", "status", "--porcelain")


def test_failed_training_is_one_line_and_leaves_the_results_of_before(fresh: SimpleNamespace) -> None:
    before = _results(fresh.folder)
    ended = run(fresh.folder, "python", "pipelines/repro.py", "optimizer=sgd", "optimizer.learning_rate=1e30")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: the loss is not finite in epoch 0, step ")
    assert ended.stderr.count("\n") == 1
    assert "1e+30" in ended.stderr
    after = _results(fresh.folder)
    results = before.keys() - {"params.yaml", "dvc.lock"}  # these two say what was asked for
    assert {name: after[name] for name in results} == {name: before[name] for name in results}
    latest = tracked_runs(fresh.folder / "mlflow.db")[0]
    assert latest.info.status == "FAILED"
    assert "1e+30" in latest.data.tags["failure"]
    succeed(fresh.folder, "python", "pipelines/repro.py")
    assert _results(fresh.folder) == before
