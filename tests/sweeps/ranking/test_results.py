"""What a sweep came to, read from a real MLflow store, of points that were really trained."""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import run, succeed
from configurations import changed, refusal
from plainmlp.config.canonical import canonical
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.evaluation.reports import final_metrics
from plainmlp.nn.early_stopping import kept_epoch
from plainmlp.sweeps.ranking.leaderboard import build_leaderboard
from plainmlp.sweeps.ranking.results import UNRECORDED, Outcomes, choose_metric, judge, one_each, read_sweep
from plainmlp.sweeps.reports import write_reports, write_runs
from plainmlp.sweeps.running.archive import Archive, ArchivedPoint
from plainmlp.tracking.recording.configuration import flat_parameters
from plainmlp.tracking.recording.training import point_of
from plainmlp.tracking.store import ChildRun, Store
from plainmlp.training.construction import build_recipe
from plainmlp.training.history import write_history
from plainmlp.training.train import train
from pointed import point
from recorded import configuration, splits_of
from swept import child

NOTHING = {"metrics": {}, "curves": {}, "artifacts": None, "started": 1.0, "ended": 2.0}
SCRIPT = Path(__file__).resolve().parents[3] / "pipelines" / "leaderboard.py"


def made(**values: object):
    """Return a configuration that is quick to train."""
    return configuration(**{"training__batch_size": 64, "training__epochs": 6, **values})


def record(store: Store, parent_run_id: str, config, folder: Path) -> None:
    """Train a point and record it as a child."""
    splits = splits_of(config)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    evaluation = evaluate(trained.model, splits, config.seed)
    folder.mkdir()
    write_history(folder / "history.csv", trained.history, trained.digests)
    child = ChildRun(
        parent_run_id,
        point_of(config, splits),
        "digits",
        parameters=flat_parameters(canonical(config)),
        tags={},
        metrics={**final_metrics(evaluation), "n_parameters": len(trained.model.parameters), "training_seconds": 0.25},
        curves=trained.history,
        artifacts=folder,
        status="FINISHED",
        started=1.0,
        ended=2.0,
    )
    store.add_children([child])


@pytest.fixture(scope="module")
def sweep(address, tmp_path_factory) -> tuple[Store, str]:
    """Return a store, and in it the run of a sweep of eight trained points and one that failed."""
    store = Store(address, "tests of results")
    parent = store.start_parent("sweep", {}, {})
    points = [
        made(seed=seed, model__hidden_sizes=sizes, model__activation=activation)
        for seed in (0, 1)
        for sizes in ([], [4])
        for activation in ("relu", "tanh")
    ]
    for number, config in enumerate(random.Random(0).sample(points, len(points))):
        record(store, parent.run_id, config, tmp_path_factory.mktemp("points") / str(number))
    broken = flat_parameters(canonical(made(seed=2, model__hidden_sizes=[4])))
    failed = {"parameters": broken, "tags": {"failure": "too fast"}, "status": "FAILED"}
    store.add_children([ChildRun(parent.run_id, "f" * 64, "digits", **failed, **NOTHING)])
    return store, parent.run_id


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_results_of_a_real_sweep(sweep):
    results = read_sweep(*sweep)
    assert results.metric == "validation_accuracy"
    assert (len(results.finished), [(f.reason, f.seed) for f in results.failed]) == (8, [("too fast", "2")])
    assert {len(result.curve) for result in results.finished} == {6}
    board = build_leaderboard(results)
    assert board.keys == ("model.activation", "model.hidden_sizes")
    assert [row.score.n for row in board.rows] == [2, 2, 2, 2]
    assert {row.n_parameters for row in board.rows} == {650, 310}
    assert {"test_accuracy", "test_log_loss"} <= set(board.test)
    assert not [name for name in board.test if name.endswith(("_low", "_high"))]


def test_any_validation_metric_ranks_and_no_other(sweep):
    store, run_id = sweep
    assert {result.curve for result in read_sweep(store, run_id, "validation_log_loss").finished} == {()}
    for metric in ("test_accuracy", "train_accuracy", "validation_acuracy"):
        line = refusal(read_sweep, store, run_id, metric)
        assert metric in line
        assert "validation_balanced_accuracy" in line
        assert "test_log_loss" not in line


def test_a_run_without_children_is_refused(sweep):
    store, _ = sweep
    assert "no runs below it" in refusal(read_sweep, store, store.start_parent("alone", {}, {}).run_id)


@pytest.mark.slow
def test_one_command_rebuilds_every_byte(sweep, tmp_path):
    store, run_id = sweep
    board = build_leaderboard(read_sweep(store, run_id))
    write_reports(tmp_path / "first", board)
    write_runs(tmp_path / "first", board)
    words = (SCRIPT, run_id, "--folder", tmp_path / "second", f"tracking.uri={store.address}")
    said = succeed(tmp_path, "python", *words)
    first = contents(tmp_path / "first")
    assert contents(tmp_path / "second") == first
    assert {"leaderboard.md", "figures/heatmap.png", "runs.csv", "training_time.png"} <= set(first)
    assert "1 points failed" in said


@pytest.mark.slow
def test_the_command_refuses_an_unknown_run_in_one_line(sweep, tmp_path):
    ended = run(tmp_path, "python", SCRIPT, "0" * 32, f"tracking.uri={sweep[0].address}")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize("monitor", ["validation_accuracy", "validation_loss"])
def test_kept_epoch_is_that_of_the_kept_model(monitor):
    settings = {"training__patience": 3, "training__monitor": monitor, "training__minimum_improvement": 0.004}
    config = made(**settings, training__epochs=40, optimizer__learning_rate=0.02, model__hidden_sizes=[16])
    splits = splits_of(config)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    kept = kept_epoch(build_recipe(config.seed, config.model, config.optimizer, config.training), trained.history)
    accuracy = evaluate(trained.model, splits, 0).metrics["validation"]["accuracy"]
    curve = trained.history["validation_accuracy"]
    assert kept < len(curve) - 1
    assert curve[kept] == pytest.approx(accuracy)
    assert len({round(value, 6) for value in curve}) > 2  # else any epoch would do


def test_with_patience_the_score_is_that_of_the_kept_epoch():
    patient = {"training.patience": 2, "training.monitor": "validation_loss", "training.minimum_improvement": 0.0}
    history = {"validation_loss": [0.5, 0.1, 0.3, 0.2], "validation_accuracy": [0.2, 0.8, 0.9, 0.7]}
    run = child(patient, {"validation_accuracy": 0.7})
    assert judge(run, history, "validation_accuracy").value == 0.8
    assert judge(child({**patient, "training.patience": None}), history, "validation_accuracy").value == 0.7


def test_without_patience_the_last_epoch_counts():
    run = child({"training.patience": None}, {"validation_loss": 0.3})
    assert judge(run, {"validation_loss": [0.1, 0.2, 0.3]}, "validation_loss").value == 0.3


def test_a_finished_run_wins_over_other_attempts_at_its_point():
    attempts = [child({"seed": 1}, status=status, run=status) for status in ("FAILED", "FINISHED", "KILLED")]
    again = replace(attempts[1], run_id="Z")
    other = child({"seed": 2})
    for order in ([*attempts, again, other], [other, again, *reversed(attempts)]):
        assert {run.run_id for run in one_each(order)} == {"FINISHED", other.run_id}
    assert one_each([other, *attempts]) == one_each([*attempts, other])


def test_automatic_metric_is_accuracy_where_recorded_else_loss():
    assert choose_metric([child({}, {"validation_loss": 1, "validation_accuracy": 1})], "auto") == "validation_accuracy"
    assert choose_metric([child({}, {"validation_loss": 1, "validation_r2": 1})], "auto") == "validation_loss"
    assert "split.validation" in refusal(choose_metric, [child({}, {"test_accuracy": 1})], "auto")
    assert [choose_metric([], metric) for metric in ("auto", "validation_r2")] == [
        "validation_accuracy",
        "validation_r2",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1.7976931348623157e308])
def test_a_score_that_is_no_number_is_a_failure(value):
    run = child({"training.patience": None}, {"validation_loss": value})
    assert "not finite" in judge(run, {"train_loss": [1.0]}, "validation_loss").reason


def test_the_metric_that_points_were_recorded_with_ranks_by_default(sweep, tmp_path):
    store, _ = sweep
    parent = store.start_parent("by loss", {}, {})
    mapping = {**changed()["sweep"], "metric": "validation_loss"}
    record(store, parent.run_id, made(sweep=mapping), tmp_path / "point")
    assert read_sweep(store, parent.run_id).metric == "validation_loss"


def test_outcomes_are_of_the_archive_the_recorded_runs_and_the_noted_failures(
    sweep: tuple[Store, str], tmp_path
) -> None:
    points = [point(seed=seed) for seed in range(3)]
    ids = [each.point_id for each in points]
    store, outcomes = sweep[0], Outcomes(Archive(tmp_path / "archive"), sweep[0])
    parent = store.start_parent("another sweep", {}, {"sweep_id": "another"})
    outcomes.add(points[:1], parent)
    Archive(tmp_path / "archive").note_failure(ids[1], "the loss is not finite")
    ended = [
        ChildRun(parent.reference, name, "digits", parameters={}, tags={}, status=status, **NOTHING)
        for name, status in ((ids[1], "FAILED"), (ids[2], "FINISHED"))
    ]
    run_ids = store.add_children(ended)
    outcomes.add(points[1:], parent)
    assert [child.run_id for child in outcomes.children] == ["", *run_ids]
    assert outcomes.failures == {ids[0]: UNRECORDED, ids[1]: "the loss is not finite"}
    assert list(outcomes.points) == ids


def test_history_of_a_point_in_the_archive_is_not_asked_for(tmp_path: Path) -> None:
    asked = []
    outcomes = Outcomes(Archive(tmp_path), SimpleNamespace(history=lambda child: asked.append(child.point_id) or {}))
    kept, recorded = child({"seed": 0}), child({"seed": 1})
    outcomes._histories[kept.point_id] = {"train_loss": [1.0]}
    assert [outcomes._history(each) for each in (kept, recorded)] == [{"train_loss": [1.0]}, {}]
    assert asked == [recorded.point_id]


def test_what_the_recorder_has_read_is_not_read_again(sweep: tuple[Store, str], tmp_path: Path) -> None:
    member, outcomes = point(), Outcomes(Archive(tmp_path / "archive"), sweep[0])  # an empty one
    parent = sweep[0].start_parent("one more sweep", {}, {"sweep_id": "one more"})
    read = ArchivedPoint({"validation_accuracy": [0.25, 0.5]}, {}, 1.0, 2, "", {})
    outcomes.add([member], parent, {member.point_id: read})
    [result] = outcomes.results("validation_accuracy").finished
    assert (result.value, result.curve) == (0.5, (0.25, 0.5))
