"""Charts of a sweep's points in MLflow: a shared view of its page of runs, which begins with what was swept."""

from typing import Any

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.leaderboard import Leaderboard
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.tags import PARENT_TAG

SECTION = {"uuid": "swept", "display": True, "isReordered": False, "deleted": False, "isGenerated": False}
CHART = {"type": "SCATTER", "runsCountToCompare": 100, "metricSectionId": SECTION["uuid"], "deleted": False}


def share_charts(parent: TrackedRun, board: Leaderboard) -> str:
    """Keep a view of a sweep's points in MLflow and return its address there; empty if that is not possible."""
    if parent.run_id is None or not board.keys:
        return ""
    return parent.store.share_view(f"sweep-{parent.run_id}", view_of(board, parent.run_id))


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
