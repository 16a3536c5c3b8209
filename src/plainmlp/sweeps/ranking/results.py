"""The results of a sweep's points: what each was set to, and what it came to."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.tracking.children import Child, Reader
from plainmlp.training.history import History

SEED = "seed"
METRIC = "sweep.metric"
AUTOMATIC = "auto"
DEFAULT_METRICS = ("validation_accuracy", "validation_loss")
RANKING_PART = "validation_"
HIGHER_IS_BETTER = ("accuracy", "f1", "r2")
LARGEST = 1e308  # MLflow writes infinities as numbers beyond
FINISHED = "FINISHED"


@dataclass(frozen=True)
class Result:
    """A point that has finished.

    Parameters
    ----------
    child : Child
    value : float
        The ranking metric of the model that was kept.
    curve : tuple of float
        The ranking metric, a value an epoch; empty where it is measured at the end only.
    """

    child: Child
    value: float
    curve: tuple[float, ...]

    @property
    def seed(self) -> str:
        """Return the seed, as text."""
        return self.child.parameters.get(SEED, "")


@dataclass(frozen=True)
class Failure:
    """A point that has no result, and why."""

    child: Child
    reason: str

    @property
    def seed(self) -> str:
        """Return the seed, as text."""
        return self.child.parameters.get(SEED, "")


@dataclass(frozen=True)
class Results:
    """All points of a sweep, under the metric that ranks them."""

    metric: str
    finished: tuple[Result, ...]
    failed: tuple[Failure, ...]

    @property
    def children(self) -> list[Child]:
        """Return the runs of all points."""
        return [result.child for result in self.finished] + [failure.child for failure in self.failed]


def is_higher_better(metric: str) -> bool:
    """Say whether a metric grows as a model gets better, as accuracies do and losses do not."""
    return metric.endswith(HIGHER_IS_BETTER)


def is_measured(value: float) -> bool:
    """Say whether a value can be compared: it is neither NaN nor infinite, nor what MLflow makes of that."""
    return math.isfinite(value) and abs(value) <= LARGEST


def read_results(reader: Reader, parent_run_id: str, metric: str | None = None) -> Results:
    """Read what the points of a sweep came to, from MLflow alone.

    Parameters
    ----------
    reader : Reader
    parent_run_id : str
        The sweep's own run.
    metric : str, optional
        What ranks the points: one of the validation part, or "auto" for `validation_accuracy` where that was
        recorded, else `validation_loss`. Default: what the points' own `sweep.metric` says.

    Raises
    ------
    InputError
        There is no such run, it has no children, or the metric is not of the validation part or was not recorded.
    """
    children = one_each(reader.children(parent_run_id))
    if not children:
        message = f"the run {parent_run_id!r} has no runs below it; a leaderboard needs the run of a sweep"
        raise InputError(message)
    return judge_all(children, reader.history, metric)


def judge_all(children: Sequence[Child], history_of: Callable[[Child], History], metric: str | None) -> Results:
    """Return what points came to.

    Parameters
    ----------
    children : sequence of Child
        One a point.
    history_of : callable (child) -> History
        Called for those that have finished.
    metric : str, optional
        As `read_results` takes it.

    Raises
    ------
    InputError
        The metric is not of the validation part or was not recorded.
    """
    metric = choose_metric(children, configured_metric(children) if metric is None else metric)
    finished, failed = [], []
    for child in children:
        if child.status != FINISHED:
            failed.append(Failure(child, child.failure or f"ended {child.status}"))
            continue
        result = judge(child, history_of(child), metric)
        if isinstance(result, Result):
            finished.append(result)
        else:
            failed.append(result)
    return Results(metric, tuple(finished), tuple(failed))


def one_each(children: Iterable[Child]) -> list[Child]:
    """Return one run a point, a finished one where there is any, in the order of the point ids."""
    ordered = sorted(children, key=lambda child: (child.point_id, child.status != FINISHED, child.run_id))
    return list({child.point_id: child for child in reversed(ordered)}.values())[::-1]


def configured_metric(children: Sequence[Child]) -> str:
    """Return the `sweep.metric` that points were recorded with; "auto" where they do not agree."""
    names = {child.parameters.get(METRIC, AUTOMATIC) for child in children}
    return names.pop() if len(names) == 1 else AUTOMATIC


def choose_metric(children: Sequence[Child], metric: str) -> str:
    """Return the metric that ranks, once it is known to be of the validation part and to have been recorded."""
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


def judge(child: Child, history: History, metric: str) -> Result | Failure:
    """Return the result of a finished run, or why it has none that can be ranked."""
    curve = tuple(history.get(metric, ()))
    if metric not in child.metrics and not curve:
        return Failure(child, f"has no {metric}")
    value = curve[kept_epoch(child.parameters, history)] if curve else child.metrics[metric]
    if not is_measured(value):
        return Failure(child, f"its {metric} is not finite")
    return Result(child, value, curve)


def kept_epoch(parameters: Mapping[str, str], history: History) -> int:
    """Return the epoch whose model was kept: the last, or with `training.patience` the best."""
    epochs = len(next(iter(history.values())))
    if _read(parameters, "training.patience") is None:
        return epochs - 1
    monitor = parameters["training.monitor"]
    sign = -1.0 if is_higher_better(monitor) else 1.0
    least = float(_read(parameters, "training.minimum_improvement"))
    best, kept = math.inf, epochs - 1
    for epoch, value in enumerate(history[monitor]):
        if sign * value < best - least:
            best, kept = sign * value, epoch
    return kept


def _read(parameters: Mapping[str, str], key: str) -> Any:
    """Return the value of a parameter that is no text."""
    return json.loads(parameters.get(key, "null"))
