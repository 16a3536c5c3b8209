"""Charts of a sweep's points in MLflow: a shared view of its page of runs, which begins with what was swept."""

import json
from contextlib import suppress
from typing import Any

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.tracking.connection import AwayError
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.stored_runs import WORKFLOW
from plainmlp.tracking.tags import PARENT_TAG

VIEW_TAG = "mlflow.sharedViewState."  # begins the tags of an experiment in which MLflow's pages keep shared views
LONGEST_TAG = 5000  # of an experiment
SECTION = {"uuid": "swept", "display": True, "isReordered": False, "deleted": False, "isGenerated": False}
CHART = {"type": "SCATTER", "runsCountToCompare": 100, "metricSectionId": SECTION["uuid"], "deleted": False}


def share_charts(parent: TrackedRun, board: Leaderboard) -> str:
    """Keep a view of a sweep's points in MLflow and return its address there; empty if that is not possible."""
    from mlflow.exceptions import MlflowException

    store, name, run_id = parent.store, f"sweep-{parent.run_id}", parent.run_id
    view = json.dumps(view_of(board, run_id or ""), separators=(",", ":"))
    if run_id is None or not board.keys or len(view) > LONGEST_TAG:
        return ""
    with suppress(AwayError, MlflowException):
        store.connection.call(lambda: store.client.set_experiment_tag(store.experiment_id, f"{VIEW_TAG}{name}", view))
        return f"#/experiments/{store.experiment_id}/runs?viewStateShareKey={name}&compareRunsMode=CHART&{WORKFLOW}"
    return ""


def view_of(board: Leaderboard, run_id: str) -> dict[str, Any]:
    """Return what MLflow's page of runs shall show: a sweep's points, best first, each swept key against the metric."""
    metric = {"key": board.metric, "type": "METRIC"}
    charts = [
        {**CHART, "uuid": f"swept-{key}", "xaxis": {"key": key, "type": "PARAM"}, "yaxis": metric} for key in board.keys
    ]
    return {
        "searchFilter": f"tags.`{PARENT_TAG}` = '{run_id}'",
        "orderByKey": f"metrics.`{board.metric}`",
        "orderByAsc": not is_higher_better(board.metric),
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # else this section would not be the first
        "compareRunCharts": charts,
        "compareRunSections": [{**SECTION, "name": f"{board.metric} against what was swept"}],
    }
