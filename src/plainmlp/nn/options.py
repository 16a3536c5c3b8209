"""An option of a table's entry: its default and the range that it may take."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Option(NamedTuple):
    """Say what an option is without a value, and which values it may have.

    Parameters
    ----------
    default : float or int
        Used where none is given; an integer default means that only whole numbers are allowed.
    minimum, maximum : float, optional
        The ends of the range; None leaves that side unbounded.
    open_minimum, open_maximum : bool, default False
        Whether the end itself is excluded.
    """

    default: float
    minimum: float | None = None
    maximum: float | None = None
    open_minimum: bool = False
    open_maximum: bool = False


def fill_options(options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for every option: the given one, or else its default."""
    return {name: given.get(name, option.default) for name, option in options.items()}
