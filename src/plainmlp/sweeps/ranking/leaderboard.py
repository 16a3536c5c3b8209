"""The leaderboard of a sweep: settings ranked over their seeds by a validation metric, with ties said as ties."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.ranking.comparison import LEVEL, compare_with_best
from plainmlp.sweeps.ranking.results import SEED, Failure, Result, SweepResults, is_measured, read_sweep
from plainmlp.sweeps.ranking.statistics import Summary, summarize
from plainmlp.sweeps.ranking.swept import STOP_AFTER, Identity, settings_but, settings_of, settings_order, swept_keys
from plainmlp.system.errors import InputError
from plainmlp.tracking.stored_runs import Reader, read_run
from plainmlp.tracking.tags import SWEEP_TAG

BEST, TIED, WORSE, UNTESTED, PRUNED = "best", "tied", "worse", "untested", "pruned"
METHOD = "sweep.method"
TEST_PART = "test_"
LOG_LOSS = "validation_log_loss"  # ranks rows of equal means, the lower the better


@dataclass(frozen=True)
class Row:
    """Points that differ in their seed alone.

    The p-value is that of `compare_with_best`; the best row has none, nor has a row with fewer than two seeds in common with
    it. Such an untested row may be as good as the best, as a tied one may.
    """

    settings: dict[str, str]  # see `settings_of`
    results: tuple[Result, ...]  # in the order of their seeds
    n_failed: int  # further seeds, without a result
    score: Summary  # of the ranking metric over the seeds
    p_value: float | None = None
    verdict: str = UNTESTED

    @property
    def n_parameters(self) -> int | None:
        """Return the size of the network, if it was recorded."""
        size = self.results[0].child.metrics.get("n_parameters")
        return None if size is None else int(size)

    @property
    def epochs(self) -> float:
        """Return after how many epochs a search pruned it; infinite if it did not."""
        return _stopped_after(self.results[0].child.parameters)

    @property
    def log_loss(self) -> float:
        """Return the mean log loss of the validation part; infinite if some seed has none."""
        mean = summarize([result.child.metrics.get(LOG_LOSS, math.inf) for result in self.results]).mean
        return mean if math.isfinite(mean) else math.inf

    @property
    def training_seconds(self) -> float | None:
        """Return the mean time of the trainings, if it was recorded; alone of all this it differs from run to run."""
        times = [result.child.metrics.get("training_seconds", math.nan) for result in self.results]
        mean = summarize(times).mean
        return None if math.isnan(mean) else mean


@dataclass(frozen=True)
class Leaderboard:
    """The rows of a sweep, the best first."""

    metric: str  # ranks the rows, of the validation part
    keys: tuple[str, ...]  # the swept ones, without the seed
    rows: tuple[Row, ...]
    test: dict[str, Summary]  # every metric of the test part, of the best row alone
    failures: tuple[Failure, ...]  # by settings and seed
    baseline: float | None = None  # what the best answer that is the same for every row scores

    def best_result(self, row: Row) -> Result:
        """Return the result of the seed of a row that scored best, of several the first."""
        return min(row.results, key=lambda result: _sign(self.metric) * result.value)

    @property
    def best_run(self) -> str | None:
        """Return the run of the best seed of the best row, if there is a row and it is in MLflow."""
        return (self.best_result(self.rows[0]).child.run_id or None) if self.rows else None

    @property
    def direction(self) -> str:
        """Say whether higher or lower values of the ranking metric are better."""
        return f"{'higher' if is_higher_better(self.metric) else 'lower'} is better"


def build_leaderboard(results: SweepResults) -> Leaderboard:
    """Rank the settings of a sweep; the same results in any order make the same leaderboard.

    Of equal means the lower log loss ranks first, then the smaller network. Every row is compared with the best one as `compare_with_best` does.
    What a search has pruned after some epochs ranks below all that went on.
    """
    results = _furthest(results)
    keys = swept_keys([child.parameters for child in results.children])
    rows = _ranked(_rows(results, keys), results.metric)
    return Leaderboard(
        results.metric,
        tuple(keys),
        tuple(_compared(rows, results.metric)),
        _test_metrics(rows[0].results) if rows else {},
        tuple(sorted(results.failed, key=lambda failure: _failure_order(failure, keys))),
        results.baseline,
    )


def _stopped_after(parameters: Mapping[str, str]) -> float:
    """Return the epochs after which successive halving compared a training; infinite if it was to end by itself."""
    epochs = json.loads(parameters.get(STOP_AFTER, "null")) if parameters.get(METHOD) == "halving" else None
    return math.inf if epochs is None else float(epochs)


def _furthest(results: SweepResults) -> SweepResults:
    """Return the results without those of trainings that went on: each of them has a point of its own."""
    reached: dict[Identity, float] = {}  # of each candidate and seed
    for child in results.children:
        candidate = settings_but(STOP_AFTER, child.parameters)
        reached[candidate] = max(_stopped_after(child.parameters), reached.get(candidate, 0.0))

    def is_furthest(result: Result | Failure) -> bool:
        parameters = result.child.parameters
        return _stopped_after(parameters) == reached[settings_but(STOP_AFTER, parameters)]

    finished, failed = filter(is_furthest, results.finished), filter(is_furthest, results.failed)
    return replace(results, finished=tuple(finished), failed=tuple(failed))


def _rows(results: SweepResults, keys: Sequence[str]) -> list[Row]:
    groups: dict[Identity, list[Result]] = {}
    for result in results.finished:
        groups.setdefault(settings_but(SEED, result.child.parameters), []).append(result)
    failed = [settings_but(SEED, failure.child.parameters) for failure in results.failed]
    return [
        Row(
            settings_of(group[0].child.parameters, keys),
            tuple(sorted(group, key=_seed_order)),
            failed.count(key),
            summarize([result.value for result in group], results.metric),
        )
        for key, group in groups.items()
    ]


def _seed_order(result: Result | Failure) -> tuple[int, str]:
    return len(result.seed), result.seed  # numbers as text, by size


def _ranked(rows: list[Row], metric: str) -> list[Row]:
    sign = _sign(metric)
    return sorted(
        rows,
        key=lambda row: (
            -row.epochs,
            sign * row.score.mean,
            row.log_loss,
            row.n_parameters or 0,
            settings_order(row.settings),
            min(result.child.point_id for result in row.results),
        ),
    )


def _sign(metric: str) -> float:
    """Return the factor that makes lower values of a metric the better ones."""
    return -1.0 if is_higher_better(metric) else 1.0


def _failure_order(failure: Failure, keys: Sequence[str]) -> tuple[object, ...]:
    settings = settings_of(failure.child.parameters, keys)
    return settings_order(settings), _seed_order(failure), failure.child.point_id


def _compared(rows: Sequence[Row], metric: str) -> list[Row]:
    """Return the rows with the outcome of their comparison with the first of them."""
    if not rows:
        return []
    sign, alike = _sign(metric), [row for row in rows if row.epochs == rows[0].epochs]
    p_values = compare_with_best([{result.seed: -sign * result.value for result in row.results} for row in alike])
    others = [replace(row, p_value=p, verdict=_verdict(p)) for row, p in zip(alike[1:], p_values, strict=True)]
    pruned = [replace(row, verdict=PRUNED) for row in rows[len(alike) :]]
    return [replace(rows[0], verdict=BEST), *others, *pruned]


def _verdict(p_value: float | None) -> str:
    if p_value is None:
        return UNTESTED
    return WORSE if p_value < LEVEL else TIED


def _test_metrics(results: Sequence[Result]) -> dict[str, Summary]:
    """Return each metric of the test part over the seeds."""
    tables = [result.child.metrics for result in results]
    names = sorted(name for name in tables[0] if name.startswith(TEST_PART))
    columns = {name: [table.get(name, math.nan) for table in tables] for name in names}
    return {name: summarize(values, name) for name, values in columns.items() if all(map(is_measured, values))}


def best_run(reader: Reader, run_id: str) -> str:
    """Return the run of the best point of a sweep's run, of any other run its own id; raise InputError if there is none."""
    if SWEEP_TAG not in read_run(reader, run_id).tags:
        return run_id
    best = build_leaderboard(read_sweep(reader, run_id)).best_run
    if best is None:
        message = f"the sweep {run_id} has no finished point yet"
        raise InputError(message)
    return best
