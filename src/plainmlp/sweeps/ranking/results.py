"""The results of a sweep's points, from MLflow or the archive."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from plainmlp.evaluation.evaluate import measure_baseline, measure_baseline_loss
from plainmlp.nn.early_stopping import kept_epoch
from plainmlp.nn.recipe import Recipe
from plainmlp.sweeps.grid.grid import AUTOMATIC, DEFAULT_METRICS, RANKING_PART
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive, ArchivedPoint
from plainmlp.system.errors import InputError
from plainmlp.tracking.children import finished_children
from plainmlp.tracking.recording.configuration import recorded_parameters
from plainmlp.tracking.run import TrackedRun
from plainmlp.tracking.store import Store
from plainmlp.tracking.stored_runs import Reader, StoredRun, read_run
from plainmlp.tracking.tags import FAILURE_TAG, POINT_TAG
from plainmlp.training.history import History

SEED = "seed"
METRIC = "sweep.metric"
LARGEST = 1e308  # MLflow writes infinities as numbers beyond
FINISHED = "FINISHED"
UNRECORDED = "its job left no record"


@dataclass(frozen=True)
class _OfChild:
    child: StoredRun

    @property
    def seed(self) -> str:
        """Return the seed, as text."""
        return self.child.parameters.get(SEED, "")


@dataclass(frozen=True)
class Result(_OfChild):
    """A finished point with the ranking metric of its kept model."""

    value: float
    curve: tuple[float, ...]  # the ranking metric, a value an epoch; empty if it is measured at the end only


@dataclass(frozen=True)
class Failure(_OfChild):
    """A point without a result, and why."""

    reason: str


@dataclass(frozen=True)
class SweepResults:
    """All points of a sweep, under the metric that ranks them."""

    metric: str
    finished: tuple[Result, ...]
    failed: tuple[Failure, ...]
    baseline: float | None = None  # what the best answer that is the same for every row scores

    @property
    def children(self) -> list[StoredRun]:
        """Return the runs of all points."""
        return [result.child for result in self.finished] + [failure.child for failure in self.failed]


def baseline_name(metric: str) -> str:
    """Return what the run of a sweep records the score of the best constant answer as."""
    return f"{metric}_baseline"


def is_measured(value: float) -> bool:
    """Say whether a value can be compared: it is neither NaN nor infinite, nor MLflow's number for infinity."""
    return math.isfinite(value) and abs(value) <= LARGEST


def read_sweep(reader: Reader, parent_run_id: str, metric: str | None = None) -> SweepResults:
    """Read the results of a sweep's points, from MLflow alone.

    The metric is one of the validation part, or "auto" for `validation_accuracy` if that was recorded, else
    `validation_loss`; default: the points' own `sweep.metric`.
    """
    children = one_each(reader.children(parent_run_id))
    if not children:
        message = f"the run {parent_run_id!r} has no runs below it; a leaderboard needs the run of a sweep"
        raise InputError(message)
    results = judge_all(children, reader.history, metric)
    recorded = read_run(reader, parent_run_id).metrics
    return replace(results, baseline=recorded.get(baseline_name(results.metric)))


class Outcomes:
    """How the points of a sweep ended; a point in the archive needs no recorded run, others were trained elsewhere."""

    def __init__(self, archive: Archive, store: Store) -> None:
        self._archive, self._store = archive, store
        self._histories: dict[str, History] = {}
        self.points: dict[str, Point] = {}  # by their ids, in the order of their batches
        self.children: list[StoredRun] = []

    def add(
        self, points: Collection[Point], parent: TrackedRun, read: Mapping[str, ArchivedPoint] | None = None
    ) -> None:
        """Take in points that have ended, recorded below a sweep's run.

        `read` is what this process has read of the archive since they ended, if it has.
        """
        kept = {(name := point.point_id): (read or {}).get(name) or self._archive.find(name) for point in points}
        # MLflow, which takes its time, is asked for more than the ids where the archive lacks any
        has_all = None not in kept.values()
        recorded = finished_children(self._store, parent) if has_all else self._store.recorded_children(parent)
        runs = {child.point_id: child for child in recorded}
        for point in points:
            self.points[point.point_id] = point
            self.children.append(self._child(point, kept[point.point_id], runs.get(point.point_id)))

    @property
    def failures(self) -> dict[str, str]:
        """Return why points without a result have none, by point id."""
        return {child.point_id: child.failure for child in self.children if child.status != FINISHED}

    def results(self, metric: str) -> SweepResults:
        """Return the outcomes under the metric that ranks them, as `read_sweep` does."""
        children = sorted(self.children, key=lambda child: child.point_id)
        return judge_all(children, self._history, metric)

    def _child(self, point: Point, kept: ArchivedPoint | None, run: StoredRun | None) -> StoredRun:
        run_id = "" if run is None else run.run_id
        if kept is not None:
            self._histories[point.point_id] = kept.history
            return archived_run(point, kept, run_id)
        if run is not None and run.status == FINISHED:
            return run
        reason = self._archive.failure(point.point_id) or UNRECORDED
        tags = {POINT_TAG: point.point_id, FAILURE_TAG: reason}
        return StoredRun(run_id, "FAILED", recorded_parameters(point.config), tags, {})

    def _history(self, child: StoredRun) -> History:
        """Return the history of a point that has finished."""
        return self._histories.get(child.point_id) or self._store.history(child)


def archived_run(point: Point, kept: ArchivedPoint, run_id: str) -> StoredRun:
    """Return the run of a point that the archive has, as MLflow would."""
    metrics = {**kept.final_metrics(), **{name: values[-1] for name, values in kept.history.items()}}
    return StoredRun(run_id, FINISHED, recorded_parameters(point.config), {POINT_TAG: point.point_id}, metrics)


def judge_all(
    children: Sequence[StoredRun], history_of: Callable[[StoredRun], History], metric: str | None
) -> SweepResults:
    """Return the results of points that have one run each; `metric` is that of `read_sweep`.

    Raises
    ------
    InputError
        The metric is not of the validation part or was not recorded.
    """
    metric = choose_metric(children, configured_metric(children) if metric is None else metric)
    results = [judge(child, history_of(child) if child.status == FINISHED else {}, metric) for child in children]
    finished = tuple(result for result in results if isinstance(result, Result))
    return SweepResults(metric, finished, tuple(result for result in results if isinstance(result, Failure)))


def with_baseline(results: SweepResults, archive: Archive, points: Sequence[Point]) -> SweepResults:
    """Return the results of a sweep's points with the score of the best constant answer on their validation part.

    There is none for points on several data sets, nor for a loss where they have several.
    """
    return replace(results, baseline=_baseline(archive, points, results.metric))


def _baseline(archive: Archive, points: Sequence[Point], metric: str) -> float | None:
    first = points[0].config
    if any((point.config.dataset, point.config.split) != (first.dataset, first.split) for point in points):
        return None
    splits = archive.data.splits(first.dataset, first.split)
    if splits.validation is None:
        return None
    if metric != DEFAULT_METRICS[1]:
        return measure_baseline(splits, splits.validation).get(metric.removeprefix(RANKING_PART))
    is_one = all(point.config.model.loss == first.model.loss for point in points)
    return measure_baseline_loss(splits, splits.validation, first.model) if is_one else None


def one_each(children: Iterable[StoredRun]) -> list[StoredRun]:
    """Return one run a point, a finished one if there is any, in the order of the point ids."""
    ordered = sorted(children, key=lambda child: (child.point_id, child.status != FINISHED, child.run_id))
    return list({child.point_id: child for child in reversed(ordered)}.values())[::-1]


def configured_metric(children: Sequence[StoredRun]) -> str:
    """Return the `sweep.metric` that points were recorded with; "auto" if they do not agree."""
    names = {child.parameters.get(METRIC, AUTOMATIC) for child in children}
    return names.pop() if len(names) == 1 else AUTOMATIC


def choose_metric(children: Sequence[StoredRun], metric: str) -> str:
    """Return the ranking metric, once checked to be of the validation part and recorded."""
    recorded = {name for child in children if child.status == FINISHED for name in child.metrics}
    if not recorded:
        return DEFAULT_METRICS[0] if metric == AUTOMATIC else metric
    allowed = sorted(name for name in recorded if name.startswith(RANKING_PART))
    chosen = next((name for name in DEFAULT_METRICS if name in recorded), "") if metric == AUTOMATIC else metric
    if chosen not in allowed:
        message = (
            f"sweep.metric = {metric!r} cannot rank this sweep; allowed: "
            f"{', '.join(allowed) or 'none, as no run was validated (split.validation)'}"
        )
        raise InputError(message)
    return chosen


def judge(child: StoredRun, history: History, metric: str) -> Result | Failure:
    """Return the result of a run that is over, or why it cannot be ranked."""
    if child.status != FINISHED:
        return Failure(child, child.failure or f"ended {child.status}")
    curve = tuple(history.get(metric, ()))
    if metric not in child.metrics and not curve:
        return Failure(child, f"has no {metric}")
    value = curve[kept_epoch(_stopping_rule(child.parameters), history)] if curve else child.metrics[metric]
    if not is_measured(value):
        return Failure(child, f"its {metric} is not finite")
    return Result(child, value, curve)


def _stopping_rule(parameters: Mapping[str, str]) -> Recipe:
    """Return what a point was trained with, as far as it decides which epoch is kept."""
    patience = json.loads(parameters.get("training.patience", "null"))
    if patience is None:
        return Recipe()
    least = float(parameters["training.minimum_improvement"])
    return Recipe(patience=patience, monitor=parameters["training.monitor"], minimum_improvement=least)
