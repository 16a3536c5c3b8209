"""Overrides at random, and right ones mutated: a configuration or one line, never a traceback, in a bounded time."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from configurations import CONF, DEFAULT, changed
from plainmlp.composition.compose import compose, parse
from plainmlp.composition.help import help_page
from plainmlp.composition.overrides import literal
from plainmlp.config.canonical import canonical, flat_items
from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError, path_problem

pytestmark = pytest.mark.fuzz
T = TypeVar("T")
SECONDS = 10  # of the processor, for one set of overrides
KEYS = [*dict(flat_items(DEFAULT)), "experiment", "hydra.run.dir", "hydra.sweeper.params", "hydra/launcher", "defaults"]
FILES = [f"{path.parent.name}={path.stem}" for path in sorted(CONF.glob("*/*.yaml")) if path.parent.name != "sweep"]
RIGHT = [*FILES, "model.hidden_sizes=[8,4]", "optimizer.schedule={name: step, factor: 0.5}", "~model.l1", "+a.b='c d'"]
SIGNS = [*"=+~@:/,.[]{}()'\"\\$ \t-0e#*|\0\n\x85é", "${", "${seed}", "${oc.env:HOME}", "???", "null", "_target_", "::"]
SPECIAL = [
    "nan",
    "-inf",
    "1e400",
    "9" * 400,
    "[" * 500,
    "[" * 40 + "]" * 40,
    "{a: " * 40 + "1" + "}" * 40,
    "0x1F",
    "1_0",
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
)
signs = st.sampled_from(["", "", "", "+", "++", "~"])
assigned = st.builds("{}{}={}".format, signs, st.sampled_from(KEYS), values.map(literal) | st.sampled_from(SPECIAL))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Return an override with pieces cut out, doubled or put in."""
    text = draw(st.sampled_from(RIGHT) | assigned)
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(["", text[start:end] * 2, *SIGNS]))
        text = text[:start] + piece + text[end:]
    return text


overrides = st.lists(st.sampled_from(RIGHT) | assigned | mutated() | st.text(max_size=40), min_size=1, max_size=4)


def composed(given_overrides: list[str]) -> Config | None:
    """Return the configuration, or None if one line refuses it."""
    return _one_line(lambda: parse(compose(CONF, given_overrides)))


def _one_line(function: Callable[[], T]) -> T | None:
    """Call a function that may refuse in one line, soon."""
    before, line = time.process_time(), "."
    try:
        return function()
    except InputError as error:
        line = str(error)
    except OSError as error:  # such as a name that is too long; `run_command` says so
        line = path_problem(error)
    finally:
        assert time.process_time() - before < SECONDS
        assert line
        assert len(line.splitlines()) == 1
        assert len(line) < 2000
    return None


@pytest.mark.slow
@given(overrides)
@example(["=0\x850"])
def test_overrides_give_a_configuration_or_one_line(given_overrides: list[str]) -> None:
    config = composed(given_overrides)
    if config is not None:
        assert parse(canonical(config)) == config


@given(overrides)
def test_help_under_overrides_is_a_page_or_one_line(given_overrides: list[str]) -> None:
    _one_line(lambda: help_page(CONF, given_overrides))


@pytest.mark.parametrize(
    "override",
    [
        f"model.hidden_sizes=[{','.join(['1'] * 10_000)}]",
        f"model.activation=[{','.join(['relu'] * 5_000)}]",
        f"model.hidden_sizes={'[' * 200}{']' * 200}",
        f"+model.deep={'{a: ' * 200}1{'}' * 200}",
        f"training.epochs={'9' * 5_000}",
        f"seed={'(' * 1_000}",
        f"{'a.' * 2_000}b=1",
        f"experiment={'x' * 100_000}",
    ],
    ids=lambda override: override[:24],
)
def test_what_is_very_long_or_deep_is_soon_done_with(override: str) -> None:
    composed([override])


MANY = 100_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"model__hidden_sizes": [1] * MANY},
        {"model__hidden_sizes": [0] * MANY},
        {"model__hidden_sizes": [1] * MANY, "model__activation": ["rely"] * MANY},
        {"training__class_weights": [-1.0] * MANY},
        {"model__loss": {"name": "huber", **{f"key_{number}": 1 for number in range(MANY)}}},
        {"model": {**DEFAULT["model"], **{f"key_{number}": 1 for number in range(MANY)}}},
        {"sweep__exclude": [{"seed": 1}] * MANY},
    ],
    ids=["layers", "wrong layers", "wrong names", "wrong weights", "options", "unknown keys", "rules"],
)
def test_a_recorded_configuration_of_any_size_is_soon_checked(changes: dict[str, object]) -> None:
    _one_line(lambda: parse(changed(**changes)))
