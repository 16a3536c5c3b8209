"""What tests know of the entries of a table, and what to do for one that they do not know yet."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

Known = TypeVar("Known")


def known(table: Mapping[str, Known], name: str, place: str) -> Known:
    """Return what a table of a test, such as ``VALUES in tests/nn/test_activations.py``, has for an entry."""
    assert name in table, f"{name!r} is new: add what is known of it, such as values worked out by hand, to {place}"
    return table[name]


def same_names(found: Iterable[str], expected: Iterable[str], advice: str) -> None:
    """Demand that two tables have the same names; say which differ, and what to do."""
    different = sorted(set(found) ^ set(expected))
    assert not different, f"{', '.join(different)}: {advice}"
