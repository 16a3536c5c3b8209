"""Configurations that differ from the default one, and the line with which they are refused."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from plainmlp.composition.compose import compose
from plainmlp.system.errors import InputError

CONF = Path(__file__).resolve().parents[2] / "conf"
DEFAULT = compose(CONF, [])
TYPO = (st.integers(0, 40), st.sampled_from("abcxyz"), st.sampled_from(["drop", "add", "replace", "swap"]))


def composed(*overrides: str) -> dict[str, Any]:
    """Return what conf/ composes under overrides; it is composed once for all that ask."""
    return deepcopy(_composed(*overrides))


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    return compose(CONF, overrides)


def changed(**values: object) -> dict[str, Any]:
    """Return the default configuration with other values, `section__key=value`."""
    mapping = deepcopy(DEFAULT)
    for path, value in values.items():
        *sections, key = path.split("__")
        (mapping[sections[0]] if sections else mapping)[key] = value
    return mapping


def at(key: str, value: object) -> dict[str, Any]:
    """Return the default configuration with another value at a key, `section.key`."""
    return changed(**{key.replace(".", "__"): value})


def refusal(function: Callable[..., object], *arguments: object) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(InputError) as caught:
        function(*arguments)
    line = str(caught.value)
    assert line == line.strip() != ""
    assert "\n" not in line
    return line


def misspelt(word: str, position: int, letter: str, change: str) -> str:
    """Return a word with one letter dropped, added, replaced or swapped with the next."""
    position %= len(word) - 1
    head, tail = word[:position], word[position:]
    return {
        "drop": head + tail[1:],
        "add": head + letter + tail,
        "replace": head + letter + tail[1:],
        "swap": head + tail[1] + tail[0] + tail[2:],
    }[change]
