"""Sweeps: the draw of points, and whatever is changed in a point or in the sweep's own run afterwards."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import ROOT, commit, succeed
from configurations import changed, refusal
from databases import new_database
from plainmlp.composition.compose import parse
from plainmlp.proof.sweep import _compare_search, _listed_points, _sweep_id, draw_points, judge_sweep
from plainmlp.proof.verdict import Agreement, Judgement, Verdict
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import UNRECORDED, SweepResults
from plainmlp.sweeps.running.job import Job, run_point
from plainmlp.sweeps.session import Listed, run_sweep
from plainmlp.system.files import write_json
from plainmlp.tracking.recording.training import point_of
from plainmlp.tracking.store import ChildRun, Store
from planted import Subject, Target, executed_again, target_of
from pointed import SMALL, splits_of
from searched import record, settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn(address: str) -> SimpleNamespace:
    """Return the run of a sweep with eight finished points and a failed one below it."""
    store = Store(address, "draws")
    parent = store.start_parent("a sweep", {}, {"sweep_id": "2" * 64})
    ids = []
    for point in range(9):
        status = "FAILED" if point == 8 else "FINISHED"
        place = {"parameters": {}, "tags": {}, "metrics": {}, "curves": {}, "artifacts": None}
        child = ChildRun(parent.run_id, f"{point}" * 64, "p", **place, status=status, started=0.0, ended=1.0)
        ids += store.add_children([child])
    parent.end("FINISHED")
    return SimpleNamespace(store=store, run_id=parent.run_id, finished=ids[:8])


def test_same_seed_draws_the_same_points_and_none_twice(drawn: SimpleNamespace) -> None:
    draws = [draw_points(drawn.store, drawn.run_id, 5, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    for each in draws:
        assert len(set(each)) == 5
        assert set(each) <= set(drawn.finished)


def test_all_are_drawn_where_there_are_no_more(drawn: SimpleNamespace) -> None:
    assert sorted(draw_points(drawn.store, drawn.run_id, 50, 0)) == sorted(drawn.finished)


def test_run_without_points_is_refused(drawn: SimpleNamespace) -> None:
    assert "has no finished runs below it" in refusal(draw_points, drawn.store, drawn.finished[0], 5, 0)


class Sweep(SimpleNamespace):
    """A finished sweep: its own run, and one of its points with its re-execution."""

    store: Store
    checkout: Path
    parent: Target
    point: Subject

    def judged(self, plant: Callable[["Sweep"], object], checkout: Path | None = None) -> Judgement:
        """Return the judgement on the sweep's own run, with a change in it or in the point."""
        with self.parent.restored(), self.point.target.restored():
            plant(self)
            return judge_sweep(self.store, self.parent.run_id, checkout or self.checkout)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Run a sweep of four points, each in this process."""
    checkout = tmp_path_factory.mktemp("sweep")
    succeed(checkout, "git", "init", "--quiet", "--initial-branch=main")
    commit(checkout)
    database = checkout / "mlflow.db"
    tracking = {"uri": new_database(database), "experiment": "swept"}
    places = [(seed, name) for seed in (0, 1) for name in ("relu", "tanh")]
    configs = [parse(changed(**SMALL, tracking=tracking, seed=s, model__activation=a)) for s, a in places]
    points = [Point((f"point={i}",), c, point_of(c, splits_of(c))) for i, c in enumerate(configs)]

    def launch(jobs: Sequence[Job]) -> None:
        for job in jobs:
            run_point(job.point.config, job.parent, checkout)

    run_sweep(Listed(points), launch, checkout, checkout / "board")
    store = Store(tracking["uri"], "swept")
    (parent,) = (r.info.run_id for r in store.search("tags.sweep_id != ''", store.experiment_id))
    first = points[0]
    (child,) = (each for each in store.children(parent) if each.point_id == first.point_id)
    again = executed_again(first.config, ROOT, checkout / "again")
    subject = Subject(target_of(store, database, child.run_id), checkout, again)
    return Sweep(store=store, checkout=checkout, parent=target_of(store, database, parent), point=subject)


def forged_value(content: bytes) -> bytes:
    """Return a history whose validation accuracy is better in the last epoch."""
    lines = content.decode().splitlines()
    place, cells = lines[0].split(",").index("validation_accuracy"), lines[-1].split(",")
    cells[place] = "1.0"
    return ("\n".join([*lines[:-1], ",".join(cells)]) + "\n").encode()


def added_point(sweep: Sweep) -> None:
    run = sweep.store.client.get_run(sweep.point.target.run_id)
    sweep.point.target.tag("point_id", "9" * 64)
    assert run.info.status == "FINISHED"


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


POINT = {
    "configuration": (lambda run: run.replace("config.yaml", "epochs: 3", "epochs: 4"), "config.yaml does not"),
    "weights": (lambda run: run.file("model.safetensors", flip), "model.safetensors"),
    "history": (lambda run: run.file("history.csv", forged_value), "history.csv"),
    "history removed": (lambda run: run.remove("history.csv"), "history.csv is missing"),
    "provenance removed": (lambda run: run.remove("provenance/provenance.json"), "provenance.json is missing"),
    "predictions added": (lambda run: (run.artifacts / "predictions.csv").write_text("row\n"), "predictions.csv"),
    "metric": (
        lambda run: run.sql("UPDATE latest_metrics SET value = 1 WHERE key = 'test_log_loss' AND"),
        "test_log_loss",
    ),
    "metric removed": (lambda run: run.sql("DELETE FROM latest_metrics WHERE key = 'test_log_loss' AND"), "test_log"),
    "parameter": (lambda run: run.sql("UPDATE params SET value = '7' WHERE key = 'seed' AND"), "parameter seed"),
    "weights_digest": (lambda run: run.untag("weights_digest"), "weights_digest"),
    "moved to another sweep": (lambda run: run.tag("mlflow.parentRunId", "0" * 32), "mlflow.parentRunId"),
    "manifest": (lambda run: run.remove("manifest.json"), "manifest.json is missing"),
}


@pytest.mark.parametrize("name", POINT)
def test_point(sweep: Sweep, tmp_path: Path, name: str) -> None:
    plant, words = POINT[name]
    judgement = sweep.point.judged(tmp_path / "read", plant)
    assert judgement.verdict is Verdict.DIFFERENT
    assert words in "\n".join([judgement.summarize(), *judgement.alterations])


def test_point_that_nobody_touched(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep.point.judged(tmp_path / "read", lambda run: None).summarize() == "identical"


SWEEP = {
    "leaderboard.csv": (lambda s: s.parent.replace("leaderboard.csv", "0.", "0.1"), "leaderboard.csv"),
    "leaderboard.json": (lambda s: s.parent.replace("leaderboard.json", "0.", "0.1"), "leaderboard.json"),
    "leaderboard.md": (lambda s: s.parent.replace("leaderboard.md", "Ranked", "ranked"), "leaderboard.md"),
    "leaderboard removed": (lambda s: s.parent.remove("leaderboard.json"), "leaderboard.json is missing"),
    "leaderboard a list": (lambda s: s.parent.file("leaderboard.json", lambda c: b"[]"), "leaderboard.json"),
    "search added": (
        lambda s: (s.parent.artifacts / "search.json").write_text("{}"),
        "the 4 points do not give the sweep_id",
    ),
    "search no JSON": (lambda s: (s.parent.artifacts / "search.json").write_text("{"), "search.json"),
    "figure": (
        lambda s: s.parent.file(next(s.parent.artifacts.glob("figures/*.png")).relative_to(s.parent.artifacts), flip),
        "figures/",
    ),
    "number of points": (
        lambda s: s.parent.sql("UPDATE latest_metrics SET value = 5 WHERE key = 'system/points_done' AND"),
        "system/points_done",
    ),
    "sweep_id": (lambda s: s.parent.tag("sweep_id", "0" * 64), "do not give the sweep_id"),
    "point of another sweep": (added_point, "are missing, such as "),
    "history of a point": (lambda s: s.point.target.file("history.csv", forged_value), "is not what the points give"),
    "history of a point removed": (lambda s: s.point.target.remove("history.csv"), "history.csv is missing"),
    "history of a point damaged": (
        lambda s: s.point.target.file("history.csv", lambda c: b"a,b"),
        "the points cannot be ranked again",
    ),
    "size of a point": (
        lambda s: s.point.target.sql("UPDATE latest_metrics SET value = 5 WHERE key = 'n_parameters' AND"),
        "is not what the points give",
    ),
    "weights of a point": (
        lambda s: s.point.target.file("model.safetensors", flip),
        "model.safetensors is not as the run wrote it",
    ),
    "digest of a point": (
        lambda s: s.point.target.untag("weights_digest"),
        "the tag weights_digest is missing in MLflow and",
    ),
    "seed of a point": (
        lambda s: s.point.target.sql("UPDATE params SET value = '7' WHERE key = 'seed' AND"),
        "is not what the points give",
    ),
}


@pytest.mark.parametrize("name", SWEEP)
def test_sweep(sweep: Sweep, name: str) -> None:
    plant, words = SWEEP[name]
    judgement = sweep.judged(plant)
    found = "\n".join([judgement.summarize(), *judgement.alterations, *(str(aspect) for aspect in judgement.aspects)])
    assert judgement.verdict is Verdict.DIFFERENT, found
    assert words in found


def test_deleted_point_is_told(sweep: Sweep) -> None:
    client, run_id = sweep.store.client, sweep.point.target.run_id
    client.delete_run(run_id)
    try:
        judgement = judge_sweep(sweep.store, sweep.parent.run_id, sweep.checkout)
    finally:
        client.restore_run(run_id)
    point = client.get_run(run_id).data.tags["point_id"]
    assert judgement.verdict is Verdict.DIFFERENT
    assert f"points: 1 of 4 are missing, such as {point[:12]}" in judgement.summarize()


def test_sweep_that_nobody_touched(sweep: Sweep) -> None:
    assert sweep.judged(lambda s: None).summarize() == "identical"


def test_leaderboard_by_other_code_is_not_compared(sweep: Sweep) -> None:
    """The files are as the sweep's own run lists them; how to rank has changed since."""
    (sweep.checkout / "src" / "plainmlp" / "sweeps").mkdir(parents=True)
    (sweep.checkout / "src" / "plainmlp" / "sweeps" / "new.py").write_text("NEW = 1\n")
    succeed(sweep.checkout, "git", "add", "src")
    judgement = sweep.judged(lambda s: s.point.target.file("history.csv", forged_value))
    succeed(sweep.checkout, "git", "rm", "--quiet", "-f", "src/plainmlp/sweeps/new.py")
    (board,) = (aspect for aspect in judgement.aspects if aspect.name == "leaderboard")
    assert board.agreement is Agreement.UNKNOWN
    assert "it was ranked by other code of sweeps" in str(board)


def test_search_by_other_libraries_is_not_asked_for_again(tmp_path: Path) -> None:
    write_json(tmp_path / "search.json", record(libraries={"optuna": "1.0"}))
    (search,) = _compare_search(SweepResults("validation_accuracy", (), ()), tmp_path)
    assert search.agreement is Agreement.UNKNOWN
    assert str(search) == "drawn with {'optuna': '1.0'}; installed here: {}"


@pytest.mark.parametrize(
    ("changed", "outcome"), [(None, "30 trials, chosen again"), (7, "trial 7 of 30 is not the one")]
)
def test_search_is_asked_for_again(tmp_path: Path, changed: int | None, outcome: str) -> None:
    asked = record(libraries={}, epochs=9, settings=settings("random", trials=30).model_dump(mode="json"))
    for number, trial in enumerate(asked["trials"]):
        trial["points"] = []
        if number == changed:
            trial["values"]["model.dropout"] += 0.001
    write_json(tmp_path / "search.json", asked)
    (search,) = _compare_search(SweepResults("validation_accuracy", (), ()), tmp_path)
    assert str(search).startswith(outcome)
    assert search.agreement is (Agreement.EQUAL if changed is None else Agreement.DIFFERENT)


def test_points_of_a_leaderboard_left_a_record_unless_it_says_otherwise(tmp_path: Path) -> None:
    reasons = {"b": "the loss is not finite", "c": UNRECORDED}
    failures = [{"point_id": name, "reason": reason} for name, reason in reasons.items()]
    write_json(tmp_path / "leaderboard.json", {"rows": [{"points": [{"point_id": "a"}]}], "failures": failures})
    assert _listed_points(tmp_path) == {"a": True, "b": True, "c": False}


def test_id_of_a_search_is_of_its_record_where_its_points_are_those_that_it_asked_for(tmp_path: Path) -> None:
    asked = record(
        libraries={}, epochs=9, seeds=[], first=["a", "b"], settings=settings("random").model_dump(mode="json")
    )
    asked["trials"] = [{**trial, "points": [name]} for trial, name in zip(asked["trials"], "ab", strict=False)]
    write_json(tmp_path / "search.json", asked)
    assert len(_sweep_id({"a", "b"}, tmp_path)) == 64
    assert _sweep_id({"a"}, tmp_path) == _sweep_id({"a", "b", "c"}, tmp_path) == ""
    write_json(tmp_path / "search.json", {**asked, "first": ["a", "c"]})
    assert _sweep_id({"a", "b"}, tmp_path) == ""
