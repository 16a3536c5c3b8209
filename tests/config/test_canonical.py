"""Spellings of one configuration are one, also through YAML."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from configurations import DEFAULT, changed, refusal
from nested import CONFIGURATIONS, exact
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import canonical, dump_values, dump_yaml, flat_items, parse_yaml, read_yaml

SPELLINGS = [
    ({"model__l1": 0}, {"model__l1": 0.0}),
    ({"model__l2": -0.0}, {"model__l2": 0.0}),
    ({"optimizer__learning_rate": 1}, {"optimizer__learning_rate": 1.0}),
    ({"split__validation": 0.0}, {"split__validation": 0}),
    ({"model__initializer": "normal"}, {"model__initializer": {"name": "normal"}}),
    (
        {"model__initializer": {"name": "normal", "mean": -0.0}},
        {"model__initializer": {"standard_deviation": 1, "name": "normal", "mean": 0}},
    ),
    ({"optimizer__schedule": "step"}, {"optimizer__schedule": {"name": "step", "factor": 0.5}}),
    (
        {"model__hidden_sizes": [3, 4], "model__activation": "tanh"},
        {"model__hidden_sizes": (3, 4), "model__activation": ["tanh", "tanh"]},
    ),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_configuration_are_one(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert parse(changed(**one)) == parse(changed(**other))
    assert dump_yaml(parse(changed(**one))) == dump_yaml(parse(changed(**other)))


def test_canonical_keeps_what_differs() -> None:
    assert canonical(parse(changed(split__test=1))) != canonical(parse(changed(split__test=0.99)))
    mixed = parse(changed(model__hidden_sizes=[3, 4], model__activation=["tanh", "relu"]))
    assert canonical(mixed)["model"]["activation"] == ["tanh", "relu"]


def test_canonical_does_not_depend_on_the_order_of_keys() -> None:
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(DEFAULT.items())
    }
    assert json.dumps(canonical(parse(backwards))) == json.dumps(canonical(parse(DEFAULT)))


# what the name of an experiment may be
_TEXT = st.text(st.characters().filter(str.isprintable), min_size=1).filter(
    lambda text: {"", ".", ".."}.isdisjoint(text.split("/"))
)

_TRICKY = st.sampled_from(
    ["1e5", "1.e5", "0o17", "017", "1_000", "on", "no", "null", "~", "1:30", ".5", "5", "=", "a: b"]
)


@given(
    text=_TEXT | _TRICKY,
    rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    sizes=st.lists(st.integers(1, 10**4), max_size=3),
)
def test_yaml_reads_back_the_same(text: str, rate: float, sizes: list[int]) -> None:
    config = parse(
        changed(
            tracking__experiment=text,
            optimizer__learning_rate=rate,
            model__hidden_sizes=sizes,
            training__monitor="train_loss",
        )
    )
    dumped = dump_yaml(config)
    assert yaml.safe_load(dumped) == canonical(config)
    assert YAML(typ="safe", pure=True).load(dumped) == canonical(config)
    assert parse(yaml.safe_load(dumped)) == config


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "does not exist"),
        (b"", "must hold a mapping of keys to values"),
        (b"- 1", "must hold a mapping of keys to values"),
        (b"a: [1", "line 1: "),
        (b"a: \xff", "invalid start byte"),
        (b"a: &x [1, 1]\nb: *x", "line 1: the anchor or alias 'x' is not allowed"),
        (b"a: *x", "line 1: the anchor or alias 'x' is not allowed"),
        (b"a: " + b"[" * 5000, "nested too deeply"),
        (b"a: 2020-13-01", "month must be in 1..12"),
        (b"a: " + b"9" * 5000, "Exceeds the limit"),
        (b"a: [" + b"1," * 60_000 + b"]", "more than 50,000 values are not allowed"),
        (b"a: " + b"x" * 1_000_000, "has 1,000,003 characters (allowed: 1,000,000)"),
    ],
)
def test_unreadable_yaml_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    line = refusal(read_yaml, path)
    assert line.startswith(str(path))
    assert problem in line


@pytest.mark.fuzz
@given(CONFIGURATIONS)
def test_any_nested_values_come_back_from_yaml_as_they_were(values: dict[str, Any]) -> None:
    text = dump_values(values)
    assert exact(parse_yaml(text, "config.yaml")) == exact(values)
    assert exact(parse_yaml(text.encode().decode(), "config.yaml")) == exact(values)  # through a file


def test_value_that_stands_twice_is_written_twice() -> None:
    shared = [1, 2]
    assert parse_yaml(dump_values({"a": shared, "b": shared}), "config.yaml") == {"a": [1, 2], "b": [1, 2]}


def test_flat_items_name_sections_and_their_keys() -> None:
    assert dict(flat_items({"a": {"b": {"c": 1}}, "d": [2]})) == {
        "a": {"b": {"c": 1}},
        "a.b": {"c": 1},
        "a.b.c": 1,
        "d": [2],
    }
