"""A grid of points: how many there are, which are left out, which are run, and the checked configuration of each."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from plainmlp.composition.compose import parse
from plainmlp.composition.explanation import schema_problem
from plainmlp.config.canonical import canonical, flat_items
from plainmlp.config.schema import Config, Section, SweepSection
from plainmlp.evaluation.metrics import METRICS
from plainmlp.nn.losses import LOSSES, recorded_metrics
from plainmlp.nn.randomness import generator
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown, unknown_key, unknown_name
from plainmlp.tracking.provenance.identity import RESULT_SECTIONS

if TYPE_CHECKING:
    from plainmlp.composition.composer import Composed, Composer

MAX_POINTS = 100_000
SECTION = "sweep"
AUTOMATIC = "auto"
DEFAULT_METRICS = ("validation_accuracy", "validation_loss")  # the first that was recorded ranks
RANKING_PART = "validation_"
Rule = Mapping[str, Any]
Overrides = tuple[str, ...]  # of a point, as Hydra takes them


class Excluder:
    """Tells which points are left out, and remembers the keys that points have.

    A point is left out if it agrees with every key of a rule. A key is one of the configuration, such as ``model.l2``, or a
    group of files, such as ``optimizer``; its value is a value, the name of a file or of an entry, or a list of such.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._keys: set[str] = set()

    def excludes(self, *tables: Mapping[str, Any]) -> bool:
        """Say whether a point is left out by what it has in one table or another under each key and group."""
        self._keys.update(*tables)
        return any(all(_agrees(wanted, _spellings(key, tables)) for key, wanted in rule.items()) for rule in self.rules)

    def check_keys(self) -> None:
        """Raise InputError for a key that no point has had, with the nearest that one has."""
        for key in (key for rule in self.rules for key in rule):
            if key not in self._keys:
                message = f"sweep.exclude: {unknown_key(key, sorted(self._keys))}"
                raise InputError(message)


def _spellings(key: str, tables: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return every value or name by which a rule can mean what a point has under a key."""
    found = [table[key] for table in tables if key in table]
    return [*found, *(value["name"] for value in found if isinstance(value, Mapping) and "name" in value)]


def _agrees(wanted: Any, values: Sequence[Any]) -> bool:
    return any(value == wanted or (isinstance(wanted, list) and value in wanted) for value in values)


class _Alone(Section):
    """The section of a sweep alone: the sections of its points may be valid with swept values only."""

    sweep: SweepSection


def read_settings(section: object) -> SweepSection:
    """Check the section `sweep` of a configuration; raise InputError if it is not valid."""
    given = {SECTION: section}
    try:
        settings = _Alone.model_validate(given).sweep
    except ValidationError as error:
        raise InputError(schema_problem(error, given)[0]) from error
    if settings.metric not in (allowed := ranking_metrics()):
        raise InputError(unknown_name(f"{SECTION}.metric", settings.metric, allowed))
    return settings


def ranking_metrics() -> list[str]:
    """Return the metrics that can rank points: those of the validation part, by a training or its evaluation."""
    recorded = {metric for loss in LOSSES for metric in recorded_metrics(loss) if metric.startswith(RANKING_PART)}
    evaluated = {f"{RANKING_PART}{metric}" for metrics in METRICS.values() for metric in metrics}
    return sorted({AUTOMATIC} | recorded | evaluated)


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise InputError if a grid, given by the number of values of each key, is empty, too large or of sweeps itself."""
    for key, count in counts.items():
        if count == 0:
            message = f"{key} has no value, so the grid has no points; give it at least one"
            raise InputError(message)
        if count > 1 and key.lstrip("+~").partition(".")[0] == SECTION:
            message = f"{key} has {count} values; a sweep runs one grid, so give one"
            raise InputError(message)
    if (size := prod(counts.values())) > MAX_POINTS:
        factors = " x ".join(f"{count:,} of {key}" for key, count in counts.items() if count > 1)
        message = f"the grid has {size:,} points ({factors}); allowed: at most {MAX_POINTS:,}"
        raise InputError(message)


def choose_points(grid: Sequence[Overrides], composer: "Composer", settings: SweepSection) -> dict[Overrides, Config]:
    """Return the points of a grid that are to be run, in its order, each once, with their checked configurations.

    Raise InputError if one of them is invalid, if none is left, or if an exclusion has an unknown key.
    """
    excluder = Excluder([exclusion.values for exclusion in settings.exclude])
    chosen: dict[str, tuple[int, Config]] = {}
    order: Iterable[int] = range(len(grid))
    if settings.sample is not None:
        order = generator(settings.seed, "sweep").permutation(len(grid)).tolist()
    for index in order:
        config = _config(grid[index], composer, excluder)
        if config is not None:
            chosen.setdefault(_result(config), (index, config))
        if len(chosen) == settings.sample:
            break
    excluder.check_keys()
    if not chosen:
        message = f"{SECTION}.exclude={shown(excluder.rules)} leaves none of {len(grid):,} points"
        raise InputError(message)
    return {grid[index]: config for index, config in sorted(chosen.values(), key=itemgetter(0))}


def _config(overrides: Overrides, composer: "Composer", excluder: Excluder) -> Config | None:
    """Return the configuration of a point unless it is left out; if its overrides tell, it is not even composed."""
    if excluder.excludes(composer.given(overrides)):
        return None
    composed = composer.composed(overrides)
    if excluder.rules and excluder.excludes(dict(flat_items(composed.values)), composed.choices):
        return None
    return checked(composed)


def checked(composed: "Composed") -> Config:
    """Check the configuration of a point, which needs a validation part to be ranked by."""
    config = parse(composed.values)
    if not config.split.validation:
        message = f"a sweep is ranked on the validation part, but split.validation is {config.split.validation}; split.validation=0.15 keeps 15 % of the rows for it"
        raise InputError(message)
    return config


def _result(config: Config) -> str:
    """Return a digest that two points share if they compute the same."""
    values = canonical(config)
    return digest_json({name: values[name] for name in RESULT_SECTIONS})
