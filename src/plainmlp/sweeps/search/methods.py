"""The methods of a search: what to try next, from what the trials before were worth."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from plainmlp.config.schema import SweepSection
from plainmlp.nn.randomness import generator
from plainmlp.sweeps.search.space import Choice, Interval, Space, Values
from plainmlp.system.errors import InputError

EXTRA = "pip install plainmlp[search]"
Costs = Sequence[float | None]  # of trials in the order of asking, the lower the better; None of one that failed


@dataclass(frozen=True)
class Trial:
    """What is tried: values for the keys of the space, and after how many epochs the training pauses, if it does."""

    values: Values
    stop_after: int | None = None


Asking = Generator[list[Trial], Costs, None]


def random(space: Space, settings: SweepSection, epochs: int) -> Asking:
    """Try independent draws, whose values are the same bits on every processor."""
    yield _draw(space, settings)


def _draw(space: Space, settings: SweepSection) -> list[Trial]:
    shares = generator(settings.seed, "search").random((settings.trials or 0, len(space.dimensions)))
    return [Trial(space.at(row)) for row in shares.tolist()]


def tpe(space: Space, settings: SweepSection, epochs: int) -> Asking:
    """Try what a tree-structured Parzen estimator (Bergstra et al. 2011), that of Optuna, expects to be good."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=settings.seed))
    distributions = {each.key: distribution_of(each) for each in space.dimensions}
    left = settings.trials or 0
    while left > 0:
        asked = [study.ask(distributions) for _ in range(min(settings.batch, left))]
        left -= len(asked)
        costs = yield [Trial(dict(each.params)) for each in asked]
        for each, cost in zip(asked, costs, strict=True):
            failed = optuna.trial.TrialState.FAIL if cost is None else None
            study.tell(each, cost, state=failed)


def distribution_of(dimension: Interval | Choice) -> Any:
    """Return a dimension as Optuna describes it."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if dimension.is_whole:
        step = 1 if dimension.step is None else int(dimension.step)
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.is_log, step)
    return FloatDistribution(dimension.low, dimension.high, dimension.is_log, dimension.step)


def halving(space: Space, settings: SweepSection, epochs: int) -> Asking:
    """Train all for a few epochs, go on with the best for more, and so on: successive halving (Jamieson and Talwalkar 2016).

    The candidates are independent draws or, without `sweep.trials`, every combination of the choices.
    """
    trials = _draw(space, settings) if settings.trials else [Trial(values) for values in space.combinations()]
    for rung in rungs(settings, epochs):
        costs = yield [replace(trial, stop_after=None if rung == epochs else rung) for trial in trials]
        ranked = sorted((cost, place) for place, cost in enumerate(costs) if cost is not None)
        best = ranked[: max(1, len(trials) // settings.reduction)]
        trials = [trials[place] for place in sorted(place for _, place in best)]
        if not trials:
            return


def rungs(settings: SweepSection, epochs: int) -> list[int]:
    """Return after how many epochs the candidates are compared; the last time is at the end.

    Examples
    --------
    >>> settings = SweepSection.model_construct(rungs=3, reduction=3)
    >>> rungs(settings, 20)
    [3, 7, 20]
    """
    shares = (settings.reduction**power for power in reversed(range(settings.rungs)))
    return sorted({-(-epochs // share) for share in shares})


METHODS: dict[str, Callable[[Space, SweepSection, int], Asking]] = {
    "random": random,
    "tpe": tpe,
    "halving": halving,
}
GRID = "grid"  # the method that a search is without


def library_of(method: str) -> dict[str, str]:
    """Return the libraries that a method draws with, and their versions; raise InputError where one is missing."""
    if method != "tpe":
        return {}
    try:
        return {"optuna": version("optuna")}
    except PackageNotFoundError:
        message = f"sweep.method=tpe needs Optuna, which is not installed; {EXTRA}"
        raise InputError(message) from None
