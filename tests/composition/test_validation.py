"""What the schema refuses, and in which words."""

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from configurations import DEFAULT, TYPO, at, changed, misspelt, refusal
from plainmlp.composition.compose import parse


def _keys(mapping: dict[str, Any]) -> list[str]:
    return [f"{section}.{key}" for section in mapping if isinstance(mapping[section], dict) for key in mapping[section]]


WHOLE_NUMBERS = ["seed", "split.seed", "training.epochs", "training.threads", "training.patience"]


NUMBERS = ["model.l1", "model.dropout", "optimizer.learning_rate", "optimizer.beta1", "optimizer.clip_norm"]
NUMBERS += ["training.minimum_improvement"]


@pytest.mark.parametrize("key", [*WHOLE_NUMBERS, *NUMBERS, "split.validation", "split.train", "training.batch_size"])
@given(bad=st.sampled_from([math.nan, math.inf, -math.inf, True, False, "5", "", -1, -0.5, [], {}, [1]]))
def test_number_refuses_what_is_none(key: str, bad: object) -> None:
    line = refusal(parse, at(key, bad))
    assert line.startswith(f"{key}=")
    assert " is not allowed: it must be " in line


@pytest.mark.parametrize("key", NUMBERS)
def test_number_refuses_what_no_float_can_hold(key: str) -> None:
    assert "it must be a number" in refusal(parse, at(key, 10**400))


@pytest.mark.parametrize("key", WHOLE_NUMBERS)
def test_whole_number_refuses_a_fraction(key: str) -> None:
    assert refusal(parse, at(key, 2.0)).startswith(f"{key}=2.0 is not allowed: it must be a whole number")


@pytest.mark.parametrize("key", ["model.bias", "training.shuffle", "split.stratify"])
@pytest.mark.parametrize("bad", [0, 1, "true", None])
def test_switch_refuses_what_is_no_bool(key: str, bad: object) -> None:
    assert "it must be true or false" in refusal(parse, at(key, bad))


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("seed", 2**32, "seed=4294967296 is not allowed: it must be below 4294967296"),
        ("model.dropout", 1, "model.dropout=1 is not allowed: it must be below 1"),
        (
            "model.hidden_sizes",
            [2] * 1001,
            "model.hidden_sizes=[2, 2, 2, 2, 2, 2, ...] is not allowed: it must be a list of at most 1000",
        ),
        ("model.hidden_sizes", [8, 0], "model.hidden_sizes[1]=0 is not allowed: it must be at least 1"),
        (
            "training.class_weights",
            [1, -1],
            "training.class_weights=[1, -1] is not allowed: it must be 'balanced' or above 0",
        ),
        (
            "training.batch_size",
            "all",
            "training.batch_size='all' is not allowed: it must be a whole number or 'full'",
        ),
        ("training.dtype", 32, "training.dtype=32 is not allowed: it must be 'float32' or 'float64'"),
        (
            "split.test",
            0,
            "split.test=0 is not allowed: it must be at least 1 or above 0",
        ),
        (
            "model.initializer",
            5,
            "model.initializer=5 is not allowed: it must be a name, or a mapping of a name and its options",
        ),
        (
            "model.initializer",
            {"mean": 0},
            "model.initializer.name is missing",
        ),
        (
            "tracking",
            None,
            "tracking=null is not allowed: it must be a mapping",
        ),
        ("dataset.name", "", "dataset.name='' is not allowed: it must be a text that is not empty"),
        (
            "model.activation",
            ["relu", "tanh"],
            (
                "model.activation=['relu', 'tanh'] is not allowed: it must be one name, or one for each of the 1 layers of "
                "model.hidden_sizes"
            ),
        ),
    ],
)
def test_refusal_names_key_value_and_what_is_allowed(key: str, value: object, line: str) -> None:
    assert refusal(parse, at(key, value)) == line


def test_long_value_is_shortened() -> None:
    assert len(refusal(parse, at("training.dtype", "x" * 10_000))) < 200


@pytest.mark.parametrize("given_value", [None, 5, [], "text"])
def test_what_is_no_mapping_is_refused(given_value: object) -> None:
    assert refusal(parse, given_value).startswith("the configuration=")


def test_missing_key_is_named() -> None:
    mapping = changed()
    del mapping["model"]["dropout"]
    assert refusal(parse, mapping).startswith("model.dropout is missing")


def test_key_that_is_no_text_is_refused() -> None:
    mapping = changed()
    mapping["model"][5] = 1
    assert "unknown key" in refusal(parse, mapping)


def test_unknown_key_comes_before_what_is_missing() -> None:
    mapping = changed()
    mapping["model"]["droput"] = mapping["model"].pop("dropout")
    assert refusal(parse, mapping).startswith("model.droput is an unknown key; did you mean 'model.dropout'?")


@given(st.data(), *TYPO)
def test_misspelt_key_has_its_near_match(data: st.DataObject, position: int, letter: str, change: str) -> None:
    keys = [key for key in _keys(DEFAULT) if len(key.rpartition(".")[2]) > 4 and not key[-1].isdigit()]
    key = data.draw(st.sampled_from(keys))  # beta1 and beta2 are near matches of each other
    section, _, word = key.rpartition(".")
    typo = misspelt(word, position, letter, change)
    assume(typo not in DEFAULT[section])
    line = refusal(parse, changed(**{f"{section}__{typo}": 1}))
    assert line.startswith(f"{section}.{typo} is an unknown key; did you mean '{key}'?")
    assert f"(allowed in {section}: " in line


SECRET = "gehe/im"


@pytest.mark.parametrize("address", [f"https://ann:{SECRET}@h", f"https://h/?api_key={SECRET}", f"db://ann:{SECRET}@h"])
def test_credentials_in_the_address_of_a_store_are_refused_and_not_shown(address: str) -> None:
    line = refusal(parse, at("tracking.uri", address))
    assert line.startswith("tracking.uri=")
    assert all(f"MLFLOW_TRACKING_{name}" in line for name in ("URI", "USERNAME", "PASSWORD"))
    assert "gehe" not in line
    assert "gehe" not in refusal(parse, at("dataset.n_samples", address))


@pytest.mark.parametrize("name", ["../x", "a/../b", "/x", "x/", "a//b", ".", "a\nb", "a\x1b[2Jb", ""])
def test_experiment_that_would_be_another_place_is_refused(name: str) -> None:
    assert refusal(parse, at("tracking.experiment", name)).startswith("tracking.experiment='")
    assert parse(at("tracking.experiment", "a team/a name"))
