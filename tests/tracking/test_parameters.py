"""A configuration in MLflow: what it cannot hold is seen, and no key is lost or taken for another."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Param

from configurations import refusal
from nested import CONFIGURATIONS, NASTY, TEXTS
from plainmlp.tracking.parameters import (
    LONGEST_KEY,
    LONGEST_PARAMETER,
    LONGEST_TAG,
    flat_parameters,
    parameter_key,
    parameter_path,
    parameter_paths,
    shortened_keys,
    shortening_note,
)

PATHS = st.lists(TEXTS, min_size=1, max_size=4).map(tuple)


def leaves(value, path=()):
    """Return the paths of a configuration's values, as a reader of conf/ would write them."""
    if not isinstance(value, dict) or not value:
        return [path]
    chosen = len(path) > 1 and isinstance(value.get("name"), str)
    below = [
        leaf for key, item in value.items() if not (chosen and key == "name") for leaf in leaves(item, (*path, key))
    ]
    return [path, *below] if chosen else below


@settings(max_examples=1000, deadline=None)
@given(CONFIGURATIONS)
def test_keys_of_any_configuration_come_back(configuration):
    flat, paths = flat_parameters(configuration), parameter_paths(configuration)
    expected = leaves(configuration) if configuration else []
    assert sorted(paths.values()) == sorted(expected)
    assert flat.keys() == paths.keys()
    shortened = set(shortened_keys(flat))
    for key, path in paths.items():
        assert len(key) <= LONGEST_KEY
        assert len(flat[key]) <= LONGEST_PARAMETER
        if not key.startswith("-sha256-"):
            assert parameter_path(key) == path
        else:
            assert key in shortened


@settings(max_examples=300, deadline=None)
@given(PATHS, PATHS)
def test_no_two_paths_are_one_key(first, second):
    assert (parameter_key(first) == parameter_key(second)) == (first == second)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (("model", "hidden_sizes"), "model.hidden_sizes"),
        (("a[0]",), "a-5B-0-5D-"),
        (("a.b",), "a-2E-b"),
        (("a-b",), "a-2D-b"),
        (("",), "--"),
        (("", "ü"), "--.-FC-"),
        (("-5B-",), "-2D-5B-2D-"),
    ],
)
def test_keys_are_written_like_this(path, key):
    assert parameter_key(path) == key
    assert parameter_path(key) == path


def test_key_that_is_too_long_is_a_digest_and_its_beginning():
    long = ("section", "k" * 300)
    key = parameter_key(long)
    digest = hashlib.sha256(".".join(long).encode()).hexdigest()
    assert key.startswith(f"-sha256-{digest} section.kkk")
    assert len(key) == LONGEST_KEY
    assert "config.yaml has it" in refusal(parameter_path, key)
    assert parameter_path(parameter_key(("k" * LONGEST_KEY,))) == ("k" * LONGEST_KEY,)


def test_values_that_differ_beyond_the_limit_stay_different():
    texts = ["x" * LONGEST_PARAMETER + end for end in "ab"]
    flat = flat_parameters({"a": texts[0], "b": texts[1], "c": "short", "d": {"e": [texts[0]]}})
    assert len(set(flat.values())) == 4
    assert shortened_keys(flat) == ["a", "b", "d.e"]


def test_note_of_many_keys_fits_into_a_tag():
    assert shortening_note(["a", "b.c"]) == "a, b.c"
    note = shortening_note([f"{number:09}" for number in range(1000)])
    assert note.startswith("1000 parameters: 000000000, ")
    assert note.endswith(" ...")
    assert len(note) == LONGEST_TAG


def test_mlflow_takes_every_nasty_key_and_value(address, caplog):
    values = [*NASTY, "\udc80 no text", *(chr(code) for code in range(0x20, 0x40))]
    nasty = {value: {"name": value, value: value} for value in dict.fromkeys(values)}
    flat = flat_parameters({"section": nasty})
    client = MlflowClient(address)
    run = client.create_run(client.create_experiment("nasty"))
    items = [Param(key, value) for key, value in flat.items()]
    for first in range(0, len(items), 100):
        client.log_batch(run.info.run_id, params=items[first : first + 100])
    assert client.get_run(run.info.run_id).data.params == flat
    assert "truncated" not in caplog.text
