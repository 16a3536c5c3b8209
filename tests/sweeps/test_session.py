"""A sweep as a whole, with launchers that do as the tests want."""

import csv
import json
import os
import re
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
import pytest

from configurations import changed, refusal
from plainmlp.composition.compose import parse
from plainmlp.data.storage import part_digests
from plainmlp.exports.sources import recorded_data
from plainmlp.proof.alterations import find_alterations, find_uncovered
from plainmlp.proof.recorded import read_recorded
from plainmlp.sweeps import session
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.leaderboard import best_run, build_leaderboard
from plainmlp.sweeps.ranking.results import read_sweep
from plainmlp.sweeps.running.job import run_point
from plainmlp.sweeps.session import Listed, is_new, run_sweep
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.tracking.children import add_model
from plainmlp.tracking.recording.training import open_store, point_of
from plainmlp.tracking.stored_runs import whole_run_id
from plainmlp.tracking.tags import PROCESS_TAG
from plainmlp.training.model import Model
from pointed import SMALL, splits_of
from searched import parent_of

pytestmark = pytest.mark.slow


class Launcher:
    """Runs the jobs of points, except those of some seeds, and counts."""

    def __init__(self, checkout, lost=()):
        self.checkout, self.lost, self.ran, self.names = checkout, lost, [], []

    def __call__(self, jobs):
        for job in jobs:
            seed = job.point.config.seed
            self.ran.append(seed)
            self.names.append(job.name)
            if seed not in self.lost:
                run_point(job.point.config, job.parent, self.checkout)


def test_sweep_is_the_set_of_its_points(points):
    assert Listed(points).sweep_id == Listed(points[::-1]).sweep_id != Listed(points[1:]).sweep_id


def test_lost_points_are_named_and_alone_tried_again(points, checkout):
    launch = Launcher(checkout, lost=(1,))
    assert is_new(Listed(points), checkout)
    with pytest.raises(TrainingError) as caught:
        run_sweep(Listed(points), launch, checkout, checkout / "out")
    assert not is_new(Listed(points), checkout)
    first, command, reason = str(caught.value).splitlines()
    assert first.startswith("1 of 3 points failed")
    assert re.fullmatch(r"  python \S+run\.py seed=1 'of=it'\"'\"'s' hydra\.mode=RUN", command)
    assert reason == "    its job left no record"
    store, parent = parent_of(points, checkout)
    assert (parent.info.status, parent.data.metrics["system/points_failed"]) == ("FINISHED", 1)
    launch.lost, launch.ran = (), []
    run_sweep(Listed(points[::-1]), launch, checkout, checkout / "out")
    assert (launch.ran, launch.names) == ([1], ["s0", "s1", "s2", "s1"])
    store, parent = parent_of(points, checkout)
    assert parent.data.metrics == {**parent.data.metrics, "system/points_done": 3, "system/points_failed": 0}
    assert len(store.children(parent.info.run_id)) == 3
    run_sweep(Listed(points), None, checkout, checkout / "out")  # nothing is left to launch


def test_points_that_failed_are_tried_again(address, request, checkout):
    tracking = {"uri": address, "experiment": request.node.name}
    config = parse(changed(**SMALL, tracking=tracking, optimizer__learning_rate=1e30))
    plan = Listed([Point(("seed=0",), config, point_of(config, splits_of(config)))])
    launch = Launcher(checkout)
    for _ in range(2):
        with pytest.raises(TrainingError, match="not finite"):
            run_sweep(plan, launch, checkout, checkout / "out")
    assert launch.ran == [0, 0]


def test_launcher_that_breaks_is_one_line_and_the_next_start_forgets_it(points, checkout):
    def breaks(jobs):
        message = "a worker\nwas killed"
        raise RuntimeError(message)

    with pytest.raises(TrainingError, match=r"^the launcher failed; .*\(RuntimeError: a worker was killed\)$"):
        run_sweep(Listed(points), breaks, checkout, checkout / "out")
    _, parent = parent_of(points, checkout)
    assert parent.info.status == "FAILED"
    assert "launcher failed" in parent.data.tags["failure"]
    run_sweep(Listed(points), Launcher(checkout), checkout, checkout / "out")
    _, again = parent_of(points, checkout)
    assert (again.info.status, again.info.run_id) == ("FINISHED", parent.info.run_id)
    assert "failure" not in again.data.tags
    assert again.info.end_time > parent.info.end_time


def test_sweep_of_a_killed_process_goes_on(points, checkout):
    def interrupted(jobs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(Listed(points), interrupted, checkout, checkout / "out")
    store, parent = parent_of(points, checkout)
    assert parent.info.status == "KILLED"
    store.client.update_run(parent.info.run_id, status="RUNNING")
    store.client.set_tag(parent.info.run_id, PROCESS_TAG, f"{os.uname().nodename} {2**22 + 1} 1.00")
    _, parent = parent_of(points, checkout)  # opening the store closes it
    assert parent.info.status == "KILLED"


def test_two_at_once_are_refused_and_other_sweeps_are_not(points, checkout):
    def starts_others(jobs):
        assert "another process runs this sweep" in refusal(run_sweep, Listed(points), None, checkout, checkout / "out")
        run_sweep(Listed(points[:1]), Launcher(checkout), checkout, checkout / "other")
        Launcher(checkout)(jobs)

    run_sweep(Listed(points), starts_others, checkout, checkout / "out")


def test_two_checkouts_that_run_the_same_sweep_on_one_server_have_a_run_each(points, checkout, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")

    def starts_other(jobs):
        Launcher(checkout)(jobs[:1])
        run_sweep(Listed(points), Launcher(other), other, other / "out")
        Launcher(checkout)(jobs[1:])

    run_sweep(Listed(points), starts_other, checkout, checkout / "out")
    store = open_store(points[0].config.tracking, checkout)
    parents = [run for run in store.client.search_runs([store.experiment_id]) if "sweep_id" in run.data.tags]
    assert [parent.info.status for parent in parents] == ["FINISHED", "FINISHED"]
    assert [len(store.children(parent.info.run_id)) for parent in parents] == [3, 3]
    moved = checkout.rename(checkout.with_name("moved"))
    run_sweep(Listed(points), None, moved, moved / "out")  # it is the same checkout, and all its points are done


def test_archive_is_named_where_it_is_large(points, checkout, monkeypatch, capsys):
    run_sweep(Listed(points), Launcher(checkout), checkout, checkout / "out")
    assert "clean-archive" not in capsys.readouterr().out
    monkeypatch.setattr(session, "LARGE_ARCHIVE", 1000)
    run_sweep(Listed(points), None, checkout, checkout / "out")
    assert re.search(r"archive +\S+archive holds 0\.0 GB; make clean-archive removes it", capsys.readouterr().out)


def test_metric_that_cannot_rank_leaves_the_results(points, checkout):
    sweep = points[0].config.sweep.model_copy(update={"metric": "validation_r2"})
    first = Point(points[0].overrides, points[0].config.model_copy(update={"sweep": sweep}), points[0].point_id)
    with pytest.raises(InputError, match="validation_r2"):
        run_sweep(Listed([first, *points[1:]]), Launcher(checkout), checkout, checkout / "out")
    store, parent = parent_of(points, checkout)
    assert parent.info.status == "FAILED"
    assert len(store.children(parent.info.run_id)) == 3
    run_sweep(Listed(points), None, checkout, checkout / "out")


def test_the_best_point_carries_its_model_and_any_other_gets_one_by_one_command(points, checkout, capsys):
    run_sweep(Listed(points), Launcher(checkout), checkout, checkout / "out")
    with (checkout / "out" / "runs.csv").open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: -float(row["validation_accuracy"]))
    best, other, last = (row["run_id"] for row in rows)
    assert f"model        runs:/{best}/model\n" in capsys.readouterr().out
    store, parent = parent_of(points, checkout)
    assert add_model(store, best_run(store, parent.info.run_id)) == f"runs:/{best}/model"
    data = partial(recorded_data, store, other, checkout)
    assert add_model(store, whole_run_id(store, other[:8]), data) == f"runs:/{other}/model"
    splits = splits_of(points[0].config)
    frame = splits.preparation.to_frame(splits.test.features)
    mlflow.set_tracking_uri(store.address)
    for run_id in (best, other):
        kept = Path(store.client.download_artifacts(run_id, "model.safetensors"))
        expected = Model.load(kept).predict_frame(frame)
        assert mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(frame).equals(expected)
        (model,) = store.client.search_logged_models([store.experiment_id], f"source_run_id = '{run_id}'")
        assert mlflow.pyfunc.load_model(model.model_uri).predict(frame).equals(expected)
        measured = store.client.get_run(run_id).data.metrics
        assert {each.key: each.value for each in model.metrics}.items() <= measured.items()
        assert "test_accuracy" in {each.key for each in model.metrics}
        assert len(store.client.get_metric_history(run_id, "test_accuracy")) == 1
    for run_id in (best, other, last):
        with TemporaryDirectory() as folder:
            recorded = read_recorded(store, run_id, Path(folder))
            assert find_alterations(recorded, checkout) == []
            assert find_uncovered(recorded.run, Path(folder)) == {}
    assert store.client.get_run(other).info.status == "FINISHED"
    for run_id in (best, other):
        used = store.client.get_run(run_id).inputs.dataset_inputs
        assert {each.dataset.digest for each in used} == {digest[:36] for digest in part_digests(splits).values()}
    description = parent.data.tags["mlflow.note.content"]
    assert best[:8] in description
    assert f"repro.py run={parent.info.run_id}" in description
    assert "a sweep's own run" in refusal(add_model, store, parent.info.run_id)
    foreign = open_store(points[0].config.tracking, checkout.parent)
    assert "not recorded by this checkout" in refusal(add_model, foreign, last)


def test_a_sweep_says_what_its_columns_are_and_ranks_the_best_constant_answer(points, checkout, capsys):
    for out in ("out", "again"):
        run_sweep(Listed(points), Launcher(checkout), checkout, checkout / out)
        shown = capsys.readouterr().out
        assert re.search(r"^ +baseline +0\.1 *$", shown, re.MULTILINE)
        assert "the best answer that is the same for every row" in shown
        # the second start trains nothing
        assert ("digits: 1797 rows of 64 features, target digit (10 classes)" in shown) == (out == "out")
    store, parent = parent_of(points, checkout)
    assert "| baseline |" in parent.data.tags["mlflow.note.content"]
    assert parent.data.metrics["validation_accuracy_baseline"] == 0.1
    for out in ("out", "again"):
        assert json.loads((checkout / out / "leaderboard.json").read_text())["baseline"] == 0.1
        assert "| baseline |" in (checkout / out / "leaderboard.md").read_text()
    assert build_leaderboard(read_sweep(store, parent.info.run_id)).baseline == 0.1
