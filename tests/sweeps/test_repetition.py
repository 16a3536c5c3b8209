"""A finished sweep that is started again."""

import json
from dataclasses import replace

import pytest

from plainmlp.sweeps import session
from plainmlp.sweeps.session import Listed, run_sweep
from pointed import files_below
from searched import Here, parent_of

pytestmark = pytest.mark.slow


def test_a_repeated_sweep_trains_nothing_says_so_and_leaves_its_run_alone(points, checkout, capsys):
    run_sweep(Listed(points), Here(checkout), checkout, checkout / "out")
    _, before = parent_of(points, checkout)
    capsys.readouterr()
    run_sweep(Listed(points), None, checkout, checkout / "again")
    assert "all 3 points were there; nothing was trained" in capsys.readouterr().out
    assert files_below(checkout / "again") == files_below(checkout / "out")
    store, after = parent_of(points, checkout)
    assert after.info.end_time == before.info.end_time
    assert after.data.tags == before.data.tags
    sweep = points[0].config.sweep.model_copy(update={"metric": "validation_loss"})
    other = [replace(point, config=point.config.model_copy(update={"sweep": sweep})) for point in points]
    run_sweep(Listed(other), None, checkout, checkout / "by loss")
    assert json.loads(store.read_artifact(before.info.run_id, "leaderboard.json"))["metric"] == "validation_loss"


def test_a_repeat_asks_mlflow_only_where_its_file_does_not_say_all(points, checkout, monkeypatch, capsys):
    run_sweep(Listed(points), Here(checkout), checkout, checkout / "out")
    store, parent = parent_of(points, checkout)
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(session, "open_store", None)  # which imports MLflow
        run_sweep(Listed(points), None, checkout, checkout / "at once")
    at_once = capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr(session, "repeat_at_once", lambda *_: None)  # as for a server
        run_sweep(Listed(points), None, checkout, checkout / "asked")
    assert capsys.readouterr().out == at_once.replace("at once", "asked")
    assert files_below(checkout / "asked") == files_below(checkout / "at once") == files_below(checkout / "out")
    store.client.delete_run(store.children(parent.info.run_id)[0].run_id)
    launch = Here(checkout)
    run_sweep(Listed(points), launch, checkout, checkout / "out")
    assert launch.batches == [1]
    assert len(store.children(parent.info.run_id)) == 3
