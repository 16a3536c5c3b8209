"""A grid, or a search and its space, in Hydra's grammar of overrides: the values of each key, counted before they are listed."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import ceil, isfinite

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from plainmlp.composition.composer import Composer
from plainmlp.config.schema import Config
from plainmlp.sweeps.grid.grid import SECTION, Overrides, check_counts, checked, choose_points, read_settings
from plainmlp.sweeps.grid.points import identifier, identify_points
from plainmlp.sweeps.ranking.results import SEED
from plainmlp.sweeps.running.archive import ARCHIVE, Archive
from plainmlp.sweeps.search.methods import GRID
from plainmlp.sweeps.search.search import Search
from plainmlp.sweeps.search.space import Choice, Interval, Space
from plainmlp.sweeps.session import Listed, Plan
from plainmlp.system.errors import InputError

LOG = "log"  # the tag of Hydra's grammar for a logarithmic prior


def plan_of(
    arguments: Sequence[str], loader: ConfigLoader, config: DictConfig, composer: Composer, *, is_search: bool
) -> Plan:
    """Return the points of a grid or, if the sweeper is the one of searches, the search of the configured method."""
    section, checkout = OmegaConf.select(config, SECTION), composer.conf_folder.parent
    settings = read_settings(OmegaConf.to_container(section, resolve=True) if OmegaConf.is_config(section) else section)
    splits_of = Archive(checkout / ARCHIVE).data.splits
    if settings.method != GRID and not is_search:
        message = f"sweep.method={settings.method} needs hydra/sweeper=search; a grid has sweep.method=grid"
        raise InputError(message)
    if settings.method == GRID:
        if settings.trials is not None:
            message = (
                f"sweep.trials={settings.trials} belongs to searches; sweep.sample draws that many points of a grid"
            )
            raise InputError(message)
        chosen = choose_points(read_grid(arguments, loader), composer, settings)
        return Listed(identify_points(chosen, checkout, splits_of))

    def check(overrides: Overrides) -> Config:
        return checked(composer.composed(overrides))

    return Search(read_space(arguments, loader), settings, check, identifier(checkout, splits_of))


def read_grid(arguments: Sequence[str], loader: ConfigLoader) -> list[Overrides]:
    """Return the points that Hydra's basic sweeper would run through; the last key changes fastest.

    Parameters
    ----------
    arguments : sequence of str
        Overrides, such as ``seed=0,1`` or ``seed=range(5)``; of one key the last counts.
    loader : ConfigLoader
        Finds the files that a ``glob(*)`` means.

    Raises
    ------
    InputError
        A key has no values, or values that cannot be listed, or the grid has too many points.
    HydraException
        An override cannot be read.
    """
    overrides = _last_of_each_key(arguments, loader)
    check_counts({override.get_key_element(): _count(override) for override in overrides})
    return list(product(*map(_axis, overrides)))


def read_space(arguments: Sequence[str], loader: ConfigLoader) -> Space:
    """Return the space of a search: what the overrides of several values mean, and the others.

    Of the key `seed` every candidate gets each value.

    Raises
    ------
    InputError
        There is no key of several values, or one that nothing can be drawn from.
    HydraException
        An override cannot be read.
    """
    dimensions: list[Interval | Choice] = []
    fixed: list[str] = []
    seeds: tuple[str, ...] = ()
    for override in _last_of_each_key(arguments, loader):
        key = override.get_key_element()
        if not override.is_sweep_override():
            fixed += _axis(override)
        elif key == SEED:
            check_counts({key: _count(override)})
            seeds = tuple(dict.fromkeys(_axis(override)))
        else:
            dimensions.append(_dimension(key, override))
    return Space(tuple(dimensions), tuple(fixed), seeds)


def _last_of_each_key(arguments: Sequence[str], loader: ConfigLoader) -> list[Override]:
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    return list({override.get_key_element(): override for override in parsed}.values())


def _dimension(key: str, override: Override) -> Interval | Choice:
    """Return the prior of a key."""
    value = override.value()
    tags: set[str] = getattr(value, "tags", set())
    if tags - {LOG} or (tags and isinstance(value, ChoiceSweep)):
        message = f"{override.input_line}: a search allows only the tag log, for an interval or a range"
        raise InputError(message)
    if isinstance(value, IntervalSweep):
        return Interval(key, value.start or 0.0, value.end or 0.0, is_log=LOG in tags)
    check_counts({key: _count(override)})
    if isinstance(value, RangeSweep):
        first, step = value.start or 0, value.step
        last = first + (_count_range(override, value) - 1) * step
        return Interval(key, min(first, last), max(first, last), LOG in tags, abs(step))
    return Choice(key, tuple(dict.fromkeys(override.sweep_string_iterator())))


def _axis(override: Override) -> tuple[str, ...]:
    """Return the overrides, one for each value, that stand for an override of several values."""
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.get_value_element_as_str()]
    return tuple(f"{override.get_key_element()}={value}" for value in values)


def _count(override: Override) -> int:
    """Return how many values an override has, without listing those of a range."""
    if not override.is_sweep_override():
        return 1
    if not override.is_discrete_sweep():
        message = f"{override.input_line}: a grid needs single values; write {override.key_or_group}=<value>,<value>"
        raise InputError(message)
    value = override.value()
    return _count_range(override, value) if isinstance(value, RangeSweep) else len(list(override.sweep_iterator()))


def _count_range(override: Override, values: RangeSweep) -> int:
    ends = (values.start or 0, values.stop or 0, values.step)
    if not all(map(isfinite, ends)) or not values.step:
        message = f"{override.input_line}: the ends of a range must be finite numbers, and its step not 0"
        raise InputError(message)
    start, stop, step = map(Fraction, ends)
    return max(0, ceil((stop - start) / step))
