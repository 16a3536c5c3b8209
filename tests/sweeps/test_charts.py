"""The charts of a sweep's points in MLflow's pages."""

import json
from pathlib import Path

import mlflow
import pytest

from plainmlp.sweeps.reports import share_charts, view_of
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import VIEW_TAG
from swept import board_of, result

KEYS = ["model.activation", "model.hidden_sizes"]


@pytest.fixture
def board():
    points = [({"model.activation": name, "model.hidden_sizes": [size]}, size) for name in "ab" for size in (1, 2)]
    return board_of([result({**settings, "seed": 0}, size / 4) for settings, size in points])


def test_charts_of_a_sweep_begin_with_the_metric_against_each_swept_key(board, address):
    store = Store(address, "charts")
    with store.start_parent("sweep", {}, {}).closing() as parent:
        link = share_charts(parent, board)
    (key,) = [name for name in store.client.get_experiment(store.experiment_id).tags if name.startswith(VIEW_TAG)]
    assert link.startswith(f"#/experiments/{store.experiment_id}/runs?viewStateShareKey={key.removeprefix(VIEW_TAG)}&")
    view = json.loads(store.client.get_experiment(store.experiment_id).tags[key])
    assert view["searchFilter"] == f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    assert [chart["xaxis"]["key"] for chart in view["compareRunCharts"]] == KEYS
    assert {chart["yaxis"]["key"] for chart in view["compareRunCharts"]} == {"validation_accuracy"}


def test_pages_of_mlflow_know_what_a_view_is_made_of(board):
    """Nothing documents it: where another version has other words, the link leads to the page of all runs."""
    scripts = Path(mlflow.__file__).parent / "server/js/build/static/js"
    words = {VIEW_TAG, "viewStateShareKey", "compareRunsMode", "SCATTER", "SHOW_ALL", *view_of(board, "")}
    words |= {word for chart in view_of(board, "")["compareRunCharts"] for word in chart}
    for script in scripts.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        words = {word for word in words if word not in text}
    assert words == set()
