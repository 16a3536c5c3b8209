"""What the best answer that is the same for every row scores, under the metric that ranks a sweep."""

from collections.abc import Sequence
from dataclasses import replace

from plainmlp.evaluation.evaluate import measure_baseline, measure_baseline_loss
from plainmlp.sweeps.grid.grid import RANKING_PART
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import SweepResults
from plainmlp.sweeps.running.archive import Archive

LOSS = "validation_loss"


def with_baseline(results: SweepResults, archive: Archive, points: Sequence[Point]) -> SweepResults:
    """Return the results of a sweep's points with the score of the best constant answer on their validation part.

    There is none for points on several data sets, nor for a loss where they have several.
    """
    return replace(results, baseline=_score(archive, points, results.metric))


def _score(archive: Archive, points: Sequence[Point], metric: str) -> float | None:
    first = points[0].config
    if any((point.config.dataset, point.config.split) != (first.dataset, first.split) for point in points):
        return None
    splits = archive.data.splits(first.dataset, first.split)
    if splits.validation is None:
        return None
    if metric != LOSS:
        return measure_baseline(splits, splits.validation).get(metric.removeprefix(RANKING_PART))
    is_one = all(point.config.model.loss == first.model.loss for point in points)
    return measure_baseline_loss(splits, splits.validation, first.model) if is_one else None
