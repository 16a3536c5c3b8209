"""Nested configurations of whatever values, and whether two are the same to the last bit."""

from typing import Any

from hypothesis import strategies as st

SIGNS = (
    "",
    " ",
    ".",
    "..",
    "/",
    "a/b",
    "../a",
    "[0]",
    "a=b",
    "a.b",
    "-",
    "--",
    "-5B-",
    "%5B",
    "name",
    "ß",
    "日本",
    "a:b",
)
TRAPS = ("a\n", "\t", "\0", "\x85", "\u2028", "\ufeff", "#", "null", "1e5", "on", "=", "<<", "~", "\U0001f600")
LONG = ("k" * 300, "x" * 7000)
NASTY = (*SIGNS, *TRAPS, *LONG)
TEXTS = st.text() | st.sampled_from(NASTY)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats()
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=4),
    max_leaves=12,
)
CONFIGURATIONS = st.dictionaries(TEXTS, VALUES, max_size=5)


def exact(value: Any) -> Any:
    """Return what is equal for equal values of equal types alone: NaN is NaN, 1 is not 1.0, 0.0 is not -0.0."""
    if isinstance(value, dict):
        return [(key, exact(item)) for key, item in value.items()]
    if isinstance(value, list):
        return "list", [exact(item) for item in value]
    return type(value).__name__, repr(value)
