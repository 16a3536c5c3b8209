"""A grid in Hydra's grammar of overrides: the values of each key, counted before they are written out."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, isfinite

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep

from plainmlp.sweeps.grid.grid import Grid, check_counts
from plainmlp.system.errors import InputError


def read_grid(arguments: Sequence[str], loader: ConfigLoader) -> Grid:
    """Return the grid that Hydra's basic sweeper would run through.

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
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    overrides = {override.get_key_element(): override for override in parsed}
    check_counts({key: _count(override) for key, override in overrides.items()})
    return Grid(tuple(_axis(override) for override in overrides.values()))


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
