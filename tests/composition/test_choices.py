"""Names and options are those of the tables, for every entry of every table."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from configurations import TYPO, at, changed, misspelt, refusal
from plainmlp.composition.choices import MONITORS
from plainmlp.composition.compose import parse
from plainmlp.config.schema import Choice
from plainmlp.data.datasets import DATASETS
from plainmlp.data.scaling import SCALINGS
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import Option
from plainmlp.nn.schedules import SCHEDULES

TABLES = {
    "model.initializer": INITIALIZERS,
    "model.bias_initializer": INITIALIZERS,
    "model.loss": LOSSES,
    "optimizer.schedule": SCHEDULES,
    "split.scaling": SCALINGS,
    "split.target_scaling": SCALINGS,
}


NAMES = {
    **TABLES,
    "model.activation": ACTIVATIONS,
    "optimizer.name": OPTIMIZERS,
    "dataset.name": DATASETS,
    "training.monitor": MONITORS,
}


OPTIONS = [
    (key, name, option) for key, table in TABLES.items() for name, entry in table.items() for option in entry.options
]


@given(st.data(), *TYPO)
def test_misspelt_name_has_its_near_match(data: st.DataObject, position: int, letter: str, change: str) -> None:
    key = data.draw(st.sampled_from(sorted(NAMES)))
    name = data.draw(st.sampled_from([name for name in sorted(NAMES[key]) if len(name) > 3]))
    typo = misspelt(name, position, letter, change)
    assume(typo not in NAMES[key])
    line = refusal(parse, at(key, typo))
    assert line.startswith(f"{key}='{typo}' is unknown; did you mean '")
    assert all(allowed in line for allowed in NAMES[key])


@pytest.mark.parametrize(("key", "name"), [(key, name) for key, table in TABLES.items() for name in table])
def test_choice_is_filled_in(key: str, name: str) -> None:
    section, word = key.split(".")
    entry = TABLES[key][name]
    chosen = getattr(getattr(parse(at(key, name)), section), word)
    assert isinstance(chosen, Choice)
    assert chosen.name == name
    assert chosen.options == {option: value.default for option, value in entry.options.items()}


@pytest.mark.parametrize("key", ["model.initializer", "model.loss"])
def test_auto_is_allowed_where_something_picks(key: str) -> None:
    parse(at(key, "auto"))


@pytest.mark.parametrize("key", sorted(set(TABLES) - {"model.initializer", "model.loss"}))
def test_auto_is_refused_elsewhere(key: str) -> None:
    assert "is unknown" in refusal(parse, at(key, "auto"))


@pytest.mark.parametrize(("key", "name", "option"), OPTIONS)
@given(bad=st.sampled_from([math.nan, math.inf, True, "1", None, 10**400]))
def test_option_refuses_what_is_no_number(key: str, name: str, option: str, bad: object) -> None:
    assume(not (bad == 10**400 and isinstance(TABLES[key][name].options[option].default, int)))
    line = refusal(parse, at(key, {"name": name, option: bad}))
    assert line.startswith(f"{key}.{option}=")


def _check_range(limits: Option, mapping: Callable[[float], dict[str, Any]]) -> None:
    """Check that the ends of a range are allowed unless they are open, and that nothing beyond them is."""
    kind = type(limits.default)
    for end, is_open, beyond in ((limits.minimum, limits.open_minimum, -1), (limits.maximum, limits.open_maximum, 1)):
        if end is not None:
            refusal(parse, mapping(kind(end + beyond)))
            at_end = mapping(kind(end))
            refusal(parse, at_end) if is_open else parse(at_end)


@pytest.mark.parametrize(("key", "name", "option"), OPTIONS)
def test_option_keeps_to_its_range(key: str, name: str, option: str) -> None:
    _check_range(TABLES[key][name].options[option], lambda value: at(key, {"name": name, option: value}))


@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, entry in OPTIMIZERS.items() for option in entry.options]
)
def test_optimizer_option_keeps_to_its_range(name: str, option: str) -> None:
    section = {"name": name, "learning_rate": 1, "schedule": "constant", "clip_norm": None}
    _check_range(OPTIMIZERS[name].options[option], lambda value: changed(optimizer={**section, option: value}))


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_optimizer_is_filled_in_and_refuses_the_options_of_others(name: str) -> None:
    mapping = changed(optimizer={"name": name, "learning_rate": 1, "schedule": "constant", "clip_norm": None})
    options = OPTIMIZERS[name].options
    assert parse(mapping).optimizer.options == {option: value.default for option, value in options.items()}
    mapping["optimizer"]["moment"] = 0.5
    line = refusal(parse, mapping)
    assert line.startswith("optimizer.moment is an unknown key")
    assert line.endswith("; optimizer=<name> selects another optimiser with its own keys")


def test_dataset_refuses_a_key_that_it_does_not_take() -> None:
    line = refusal(parse, changed(dataset__path="mine.csv"))
    assert line == (
        "dataset.path='mine.csv' is not allowed: 'digits' takes no such key (these data sets do: mnist, npy, table)"
    )


@pytest.mark.parametrize(
    ("dataset", "line"),
    [
        ({"name": "table", "target": "y"}, "dataset.path=null is not allowed: the data set 'table' needs it"),
        ({"name": "table", "path": "a.csv"}, "dataset.target=null is not allowed: the data set 'table' needs it"),
        ({"name": "npy"}, "dataset.path=null is not allowed: the data set 'npy' needs it"),
        ({"name": "openml"}, "dataset.data_id=null is not allowed: the data set 'openml' needs it"),
    ],
)
def test_dataset_needs_its_keys(dataset: dict[str, Any], line: str) -> None:
    assert refusal(parse, changed(dataset=dataset)) == line


def test_patience_on_validation_needs_a_validation_part() -> None:
    line = refusal(parse, changed(split__validation=0, training__patience=3))
    assert line.startswith("training.patience=3 is not allowed: training.monitor=validation_loss needs a validation")
    parse(changed(split__validation=0, training__patience=3, training__monitor="train_loss"))
    parse(changed(split__validation=0.1, training__patience=3))


@pytest.mark.parametrize(
    ("key", "value", "gigabytes"),
    [("training__epochs", 10**12, "350,000.0"), ("model__hidden_sizes", [4096] * 1000, "536.3")],
)
def test_what_no_memory_holds_is_refused_before_its_data_is_fetched(key, value, gigabytes, monkeypatch) -> None:
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "16")
    line = refusal(parse, changed(**{key: value}))
    assert f"(model.hidden_sizes, training.epochs) would take about {gigabytes} GB" in line
