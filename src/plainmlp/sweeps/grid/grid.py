"""A grid of points: how many, which of them are run, and each as a checked configuration."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

from pydantic import ValidationError

from plainmlp.composition.compose import parse
from plainmlp.composition.validation import schema_problems
from plainmlp.config.canonical import canonical
from plainmlp.config.schema import Config, Section, SweepSection
from plainmlp.evaluation.metrics import METRICS
from plainmlp.nn.losses import LOSSES, recorded_metrics
from plainmlp.nn.randomness import generator
from plainmlp.sweeps.grid.exclusion import Excluder
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown, unknown_name
from plainmlp.tracking.provenance.identity import RESULT_SECTIONS

MOST_POINTS = 100_000
SECTION = "sweep"
AUTOMATIC = "auto"
RANKING_PART = "validation_"


@dataclass(frozen=True)
class Grid:
    """Every combination of the values of some keys.

    Parameters
    ----------
    axes : tuple of tuple of str
        For each key its overrides, one for each value.
    """

    axes: tuple[tuple[str, ...], ...]

    @property
    def size(self) -> int:
        """Return the number of points."""
        return prod(map(len, self.axes))

    def point(self, index: int) -> tuple[str, ...]:
        """Return the overrides of a point; the last key changes fastest, as in `itertools.product`."""
        chosen = []
        for axis in reversed(self.axes):
            index, position = divmod(index, len(axis))
            chosen.append(axis[position])
        return tuple(reversed(chosen))


@dataclass(frozen=True)
class Composed:
    """A point as Hydra composes it: plain values, and the files that were chosen for each group."""

    values: dict[str, Any]
    choices: Mapping[str, Any]


class Composing(Protocol):
    """Composes points, as Hydra does."""

    def given(self, overrides: Sequence[str]) -> Mapping[str, Any]:
        """Return what the overrides themselves set, by key or group."""

    def composed(self, overrides: Sequence[str]) -> Composed:
        """Compose a point; raise InputError where that cannot be done."""


@dataclass(frozen=True)
class Candidate:
    """A point that is to be run: its overrides, as Hydra takes them, and its checked configuration."""

    overrides: tuple[str, ...]
    config: Config


class _Alone(Section):
    """The section of a sweep without those of its points, which single values may not make valid."""

    sweep: SweepSection


def read_settings(section: object) -> SweepSection:
    """Check the section `sweep` of a configuration.

    Raises
    ------
    InputError
        As `config.parse` does; and if no metric of a validation part is called `sweep.metric`.
    """
    given = {SECTION: section}
    try:
        settings = _Alone.model_validate(given).sweep
    except ValidationError as error:
        raise InputError(schema_problems(error, given)[0]) from error
    if settings.metric not in (allowed := ranking_metrics()):
        raise InputError(unknown_name(f"{SECTION}.metric", settings.metric, allowed))
    return settings


def ranking_metrics() -> list[str]:
    """Return what points can be ranked by: what a training records of the validation part, or its evaluation."""
    recorded = {metric for loss in LOSSES for metric in recorded_metrics(loss) if metric.startswith(RANKING_PART)}
    evaluated = {f"{RANKING_PART}{metric}" for metrics in METRICS.values() for metric in metrics}
    return sorted({AUTOMATIC} | recorded | evaluated)


def check_counts(counts: Mapping[str, int]) -> None:
    """Refuse a grid that is empty or too large.

    Parameters
    ----------
    counts : mapping of str to int
        For each key, as overrides begin with it, how many values it has.

    Raises
    ------
    InputError
        A key has no value, the grid has more than 100,000 points, or the settings of the sweep itself are swept.
    """
    for key, count in counts.items():
        if count == 0:
            message = f"{key} has no value, so that the grid has no points; give it at least one"
            raise InputError(message)
        if count > 1 and key.lstrip("+~").partition(".")[0] == SECTION:
            message = f"{key} has {count} values; a sweep runs one grid, so give one"
            raise InputError(message)
    if (size := prod(counts.values())) > MOST_POINTS:
        factors = " x ".join(f"{count:,} of {key}" for key, count in counts.items() if count > 1)
        message = f"the grid has {size:,} points ({factors}); allowed: at most {MOST_POINTS:,}"
        raise InputError(message)


def choose_points(grid: Grid, composing: Composing, settings: SweepSection) -> list[Candidate]:
    """Return the points that are run, in the order of the grid, each once.

    Parameters
    ----------
    grid : Grid
    composing : Composing
    settings : SweepSection
        Which combinations are left out, and how many of the others are drawn.

    Raises
    ------
    InputError
        A point that is not left out is not valid or has no validation part, no point is left, or a key of an exclusion does not exist.
    """
    excluder = Excluder([exclusion.values for exclusion in settings.exclude])
    chosen: dict[str, tuple[int, Candidate]] = {}
    for index in _order(grid.size, settings):
        candidate = _candidate(grid.point(index), composing, excluder)
        if candidate is not None:
            chosen.setdefault(_result(candidate.config), (index, candidate))
        if len(chosen) == settings.sample:
            break
    excluder.check_keys()
    if not chosen:
        message = f"{SECTION}.exclude={shown(excluder.rules)} leaves none of {grid.size:,} points"
        raise InputError(message)
    return [candidate for _, candidate in sorted(chosen.values(), key=lambda pair: pair[0])]


def _order(size: int, settings: SweepSection) -> Iterable[int]:
    """Return the order in which points are looked at: the grid's, or a random one to draw from."""
    if settings.sample is None:
        return range(size)
    order: list[int] = generator(settings.seed, "sweep").permutation(size).tolist()
    return order


def _candidate(overrides: tuple[str, ...], composing: Composing, excluder: Excluder) -> Candidate | None:
    """Return a point unless it is left out, which saves it from being composed and checked where its overrides tell."""
    if excluder.excludes_given(composing.given(overrides)):
        return None
    composed = composing.composed(overrides)
    if excluder.excludes_composed(composed.values, composed.choices):
        return None
    config = parse(composed.values)
    if not config.split.validation:
        message = (
            f"split.validation={config.split.validation} leaves a sweep nothing to rank its points by; set it above 0"
        )
        raise InputError(message)
    return Candidate(overrides, config)


def _result(config: Config) -> str:
    """Return what two points have in common that compute the same."""
    values = canonical(config)
    return digest_json({name: values[name] for name in RESULT_SECTIONS})
