"""Sweeps end to end: real processes, real launchers, and MLflow on SQLite."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from checkouts import clone, run, run_many, succeed, tracked_runs, warm_environment
from launched import LAUNCHERS, LEADERBOARD, PROCESSES, SCRIPT, archived, board, experiment, launchers, tree
from plainmlp.sweeps.reports import RUN_FILES

pytestmark = [pytest.mark.slow, pytest.mark.long]
SMALL = ("split.train=100", "split.validation=50", "split.test=50", "training.epochs=3")
GRID = ("model.hidden_sizes=[4],[8]", "model.activation=relu,tanh")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a clone that the tests share; each has an experiment, and so parents, of its own."""
    return clone(tmp_path_factory.mktemp("clone"))


def sweep(folder: Path, *overrides: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "python", SCRIPT, "-m", *SMALL, *overrides, **variables)


def digests(children) -> dict[str, str]:
    return {child.data.tags["point_id"]: child.data.tags["weights_digest"] for child in children}


def trained_under(folder: Path, name: str) -> list[Any]:
    """Train the grid, all of it again, under a launcher; return the children of the sweep."""
    shutil.rmtree(folder / ".plainmlp", ignore_errors=True)
    grid = (*GRID, "seed=0,1") if name == "basic" else ("seed=1,0", *reversed(GRID))
    ended = sweep(folder, *LAUNCHERS[name], *grid, experiment(name), f"hydra.sweep.dir={name}")
    assert ended.returncode == 0, ended.stderr
    (parent,), children = tree(folder, name)
    assert {child.data.tags["mlflow.parentRunId"] for child in children} == {parent.info.run_id}
    assert len(children) == 8
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert parent.data.metrics["system/points_done"] == 8
    assert parent.data.metrics["system/points_failed"] == 0
    return children


@pytest.fixture(scope="module")
def basic(folder: Path) -> dict[str, str]:
    """Return the digests of a grid's weights under Hydra's own launcher."""
    return digests(trained_under(folder, "basic"))


@pytest.mark.parametrize("launcher", launchers("processes", "joblib", "dask"))
def test_every_launcher_gives_the_same_tree_and_the_same_bits(
    folder: Path, basic: dict[str, str], launcher: str
) -> None:
    children = trained_under(folder, launcher)
    assert digests(children) == basic
    assert board(folder / launcher) == board(folder / "basic")
    check_child(folder, children[0])


def test_part_of_a_grid_has_the_bits_of_the_whole(folder: Path, basic: dict[str, str]) -> None:
    assert len(set(basic.values())) == 8
    shutil.rmtree(folder / ".plainmlp")
    subset = sweep(folder, "model.hidden_sizes=[8]", "model.activation=tanh", "seed=1", experiment("subset"))
    assert subset.returncode == 0, subset.stderr
    (point, digest), *rest = digests(tree(folder, "subset")[1]).items()
    assert not rest
    assert basic[point] == digest


def check_child(folder: Path, child) -> None:
    """Check that a child is whole: its parameters, curves, metrics and files."""
    assert {"seed", "model.hidden_sizes", "model.activation"} <= child.data.params.keys()
    assert child.data.params["model.activation"] in {"relu", "tanh"}
    assert {"train_loss", "validation_accuracy", "test_accuracy", "training_seconds"} <= child.data.metrics.keys()
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    assert len(client.get_metric_history(child.info.run_id, "train_loss")) == 3
    files = {file.path for file in client.list_artifacts(child.info.run_id)}
    own = {"config.yaml", "history.csv", "manifest.json", "model.safetensors", "provenance"}
    assert files - {"model"} == own  # the best point, whichever that is, carries a model too


def test_backends_are_side_by_side_under_the_same_metrics(folder: Path) -> None:
    ended = sweep(folder, "backend=numpy,sklearn", experiment("backends"), "hydra.sweep.dir=backends")
    assert ended.returncode == 0, ended.stderr
    ours, theirs = sorted(tree(folder, "backends")[1], key=lambda child: child.data.params["backend.name"])
    assert [child.data.params["backend.name"] for child in (ours, theirs)] == ["numpy", "sklearn"]
    assert {child.info.status for child in (ours, theirs)} == {"FINISHED"}
    assert ours.data.metrics.keys() == theirs.data.metrics.keys()
    # one start and one order of the samples: only rounding tells the libraries apart
    for name in ("train_loss", "validation_loss", "system/gradient_norm", "test_log_loss"):
        assert ours.data.metrics[name] == pytest.approx(theirs.data.metrics[name], rel=1e-3)
    leaderboard = json.loads((folder / "backends" / "leaderboard.json").read_text())
    assert {row["settings"]["backend.name"] for row in leaderboard["rows"]} == {"numpy", "sklearn"}


def test_nothing_is_trained_or_recorded_twice(folder: Path) -> None:
    where, grid = experiment("twice"), ("seed=3,4,3", "model.hidden_sizes=[4],[4]")
    assert sweep(folder, *grid, where, "hydra.sweep.dir=first").returncode == 0
    before, first = archived(folder), tree(folder, "twice")
    assert len(first[1]) == 2
    assert sweep(folder, *PROCESSES, *grid, where, "hydra.sweep.dir=second").returncode == 0
    assert archived(folder) == before
    again = tree(folder, "twice")
    assert [[each.info.run_id for each in runs] for runs in again] == [[r.info.run_id for r in runs] for runs in first]
    assert again[0][0].info.status == "FINISHED"
    assert again[0][0].info.end_time == first[0][0].info.end_time
    assert board(folder / "first") == board(folder / "second")
    assert sweep(folder, "seed=3,4,5", "model.hidden_sizes=[4]", where).returncode == 0
    assert {name: when for name, when in archived(folder).items() if name in before} == before
    assert len(archived(folder)) == len(before) + 1
    assert len(tree(folder, "twice")[0]) == 2


def test_losses_of_steps_that_are_asked_for_later_are_recorded(folder: Path) -> None:
    from mlflow import MlflowClient

    grid = ("seed=70,71", "model.hidden_sizes=[4]", experiment("steps"))
    for extra in ((), ("training.loss_every=4",)):
        assert sweep(folder, *grid, *extra).returncode == 0
    parents, children = tree(folder, "steps")
    assert (len(parents), len(children)) == (1, 2)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    for child in children:
        files = {file.path for file in client.list_artifacts(child.info.run_id)} - {"model"}  # which the best one has
        assert files == {"config.yaml", "history.csv", "manifest.json", "model.safetensors", "provenance", "steps.csv"}


def test_points_that_fail_are_said_and_tried_again(folder: Path) -> None:
    where = experiment("failing")
    arguments = (*GRID[:1], "seed=6", "optimizer=sgd", "optimizer.learning_rate=0.1,1e30", where)
    ended = sweep(folder, *PROCESSES, *arguments)
    assert ended.returncode == 1
    first, *lines = ended.stderr.splitlines()
    assert first == "error: 2 of 4 points failed; run the same command again to retry them all, or one of these:"
    assert len(lines) == 4
    assert "learning_rate=1e+30" in lines[0]
    assert lines[1].startswith("    the loss is not finite in epoch 0")
    (parent,), children = tree(folder, "failing")
    failed = [child for child in children if child.info.status == "FAILED"]
    assert (len(children), len(failed), parent.info.status) == (4, 2, "FINISHED")
    assert {f"    {child.data.tags['failure']}" for child in failed} == {lines[1], lines[3]}
    assert (parent.data.metrics["system/points_done"], parent.data.metrics["system/points_failed"]) == (2, 2)
    assert parent.data.metrics["validation_accuracy"] > 0.1
    alone = run(folder, *shlex.split(lines[0]))
    assert (alone.returncode, alone.stderr) == (1, f"error: {lines[1].strip()}\n")
    done, before = {c.info.run_id for c in children if c not in failed}, archived(folder)
    assert sweep(folder, *arguments).stderr == ended.stderr  # also under another launcher
    (_,), children = tree(folder, "failing")
    assert {child.info.run_id for child in children if child.info.status == "FINISHED"} == done
    assert not {child.info.run_id for child in failed} & {child.info.run_id for child in children}
    assert len(children) == 4
    assert archived(folder) == before


def test_sweep_without_a_single_result_still_says_so(folder: Path) -> None:
    where = experiment("hopeless")
    ended = sweep(folder, "seed=7", "optimizer=sgd", "optimizer.learning_rate=1e30,1e31", where)
    assert ended.returncode == 1
    assert "2 of 2 points failed" in ended.stderr
    (parent,), _ = tree(folder, "hopeless")
    assert parent.info.status == "FINISHED"
    assert (parent.data.metrics["system/points_done"], parent.data.metrics["system/points_failed"]) == (0, 2)
    assert not [name for name in parent.data.metrics if name.startswith("best_")]


def test_command_of_a_failed_point_of_a_sweep_file_runs_that_point_alone(folder: Path) -> None:
    where = experiment("file")
    quoted = "model.initializer={name: normal, standard_deviation: 1e30}"  # needs quotes in a shell
    grid = ("sweep=learning_rates", "optimizer=sgd", "optimizer.learning_rate=1e30", "optimizer.schedule=constant")
    ended = run(folder, "python", SCRIPT, *grid, *SMALL, quoted, "seed=0", where)
    assert ended.returncode == 1
    command, reason = ended.stderr.splitlines()[1:]
    alone = subprocess.run(
        command, shell=True, cwd=folder, env=warm_environment(), capture_output=True, text=True, check=False
    )
    assert (alone.returncode, alone.stderr) == (1, f"error: {reason.strip()}\n")
    assert len(tree(folder, "file")[0]) == 1


MISTAKES = {
    ("seed=0,1", "model.activatio=relu"): "error: model.activatio is an unknown key",
    ("model.activation=relu,tanhh",): "error: model.activation='tanhh' is unknown",
    ("seed=range(5,5)",): "error: seed has no value",
    ("seed=range(0,100001)",): "error: the grid has 100,001 points",
    ("model.hidden_sizes=[4],[4,4]", "model.activation=[relu,tanh],relu"): "error: model.activation=['relu', 'ta",
    (
        "seed=0,1",
        "split.validation=0",
    ): "error: a sweep is ranked on the validation part, but split.validation is 0; split.validation=0.15 keeps",
}


@pytest.fixture(scope="module")
def refused(folder: Path) -> dict[tuple[str, ...], dict[str, Any]]:
    """Give every mistake to run.py, in one process, and see that nothing is trained."""
    before = archived(folder)
    commands = [({}, ("run.py", "-m", *SMALL, *grid, experiment("refused"))) for grid in MISTAKES]
    ended = run_many(folder, commands, checkout=folder)
    assert archived(folder) == before
    return dict(zip(MISTAKES, ended, strict=True))


@pytest.mark.parametrize("grid", MISTAKES, ids=" ".join)
def test_mistakes_are_refused_before_anything_is_trained(folder: Path, refused, grid: tuple[str, ...]) -> None:
    ended = refused[grid]
    assert (ended["code"], ended["output"]) == (2, "")
    assert ended["errors"].startswith(MISTAKES[grid])
    assert ended["errors"].count("\n") == 1
    assert tracked_runs(folder / "mlflow.db", "refused") == []


def test_excluded_combination_is_no_mistake_and_one_that_only_data_shows_fails_alone(folder: Path) -> None:
    where = experiment("combinations")
    exclude = "sweep.exclude=[{model.hidden_sizes: [[4]], model.activation: [[relu,tanh]]}]"
    grid = ("model.hidden_sizes=[4],[4,4]", "model.activation=[relu,tanh],relu", exclude)
    assert sweep(folder, *grid, where).returncode == 0
    assert len(tree(folder, "combinations")[1]) == 3
    ended = sweep(folder, "model.loss=cross_entropy,squared_error", where)
    assert ended.returncode == 1
    assert "model.loss = 'squared_error' does not suit a classification" in ended.stderr.splitlines()[-1]
    statuses = sorted(child.info.status for child in tree(folder, "combinations")[1])
    assert statuses == ["FAILED", *["FINISHED"] * 4]


def test_half_written_child_is_written_again(folder: Path) -> None:
    """A process that is killed between two transactions leaves a run that is RUNNING, with some of its values."""
    arguments, where = ("seed=30,31", "model.hidden_sizes=[4]"), experiment("half")
    assert sweep(folder, *arguments, where, "hydra.sweep.dir=whole").returncode == 0
    (parent,), (child, _) = tree(folder, "half")
    from mlflow import MlflowClient

    with subprocess.Popen(["true"]) as process:
        dead = f"{os.uname().nodename} {process.pid} 1.00"
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    for each in (parent, child):
        client.update_run(each.info.run_id, status="RUNNING")
        client.set_tag(each.info.run_id, "plainmlp.process", dead)
    before = archived(folder)
    assert sweep(folder, *arguments, where, "hydra.sweep.dir=again").returncode == 0
    (same,), children = tree(folder, "half")
    assert same.info.run_id == parent.info.run_id
    assert [each.info.status for each in (same, *children)] == ["FINISHED"] * 3
    assert child.info.run_id not in {each.info.run_id for each in children}
    assert archived(folder) == before
    assert board(folder / "whole") == board(folder / "again")


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(folder: Path) -> None:
    where = experiment("progress")
    failing = ("optimizer=sgd", "optimizer.learning_rate=0.1,1e30", "seed=40,41", where)
    said = sweep(folder, *failing).stdout
    assert "2 done, 2 failed, 0 left  best validation_accuracy 0." in said
    assert "━" not in said
    words = ["python", SCRIPT, "-m", *SMALL, *failing, "sweep.name=terminal", experiment("terminal")]
    shown = succeed_on_terminal(folder, shlex.join(words))
    assert "━" in shown
    assert "4/4" in shown
    assert "2 done, 2 failed, 0 left  best validation_accuracy 0." in shown


def succeed_on_terminal(folder: Path, command: str) -> str:
    """Run a command on a terminal of its own, and return all that it showed."""
    words = ["script", "--quiet", "--return", "--command", command, "/dev/null"]
    variables = {"TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
    return run(folder, *words, **variables).stdout


def test_hand_over_to_jobs_does_not_leak(folder: Path, tmp_path: Path) -> None:
    """After a sweep the process has none of the variables that its jobs had."""
    (tmp_path / "tell.py").write_text(
        "import os, sys; sys.path.insert(0, 'pipelines'); import run; run.main()\n"
        "print('left', sorted(name for name in os.environ if name.startswith('PLAINMLP_')))\n"
    )
    words = ("python", tmp_path / "tell.py", "-m", *SMALL, "seed=50,51", experiment("leak"))
    assert succeed(folder, *words).splitlines()[-1] == "left []"


def test_folder_of_a_sweep_has_its_configuration(folder: Path) -> None:
    grid = ("seed=60,61", experiment("jobs"))
    assert sweep(folder, *PROCESSES, *grid, "hydra.sweep.dir=jobs").returncode == 0
    files = {path.name for path in (folder / "jobs").iterdir()}
    assert files == {"multirun.yaml", "figures", *LEADERBOARD, *RUN_FILES}
    assert "seed=60,61" in (folder / "jobs" / "multirun.yaml").read_text()
    assert json.loads((folder / "jobs" / "leaderboard.json").read_text())
    assert sweep(folder, *grid, "sweep.name=other", experiment("others"), "hydra.sweep.dir=others").returncode == 0
    for number in "01":
        assert "seed=6" in (folder / "others" / number / ".hydra" / "overrides.yaml").read_text()


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("hydra.launcher.address=tcp://127.0.0.1:9", "no Dask scheduler answers there"),
        ("hydra.launcher.address=nobody", "no Dask scheduler answers there"),
    ],
)
def test_cluster_that_is_not_there_starts_nothing(folder: Path, setting: str, line: str) -> None:
    ended = sweep(folder, *LAUNCHERS["dask"], *GRID, setting, experiment("nowhere"))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert line in ended.stderr
    assert tree(folder, "nowhere") == ([], [])
