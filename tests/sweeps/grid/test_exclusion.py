"""Which combinations are left out."""

from typing import Any

import pytest

from configurations import DEFAULT, changed, refusal
from plainmlp.config.canonical import flat_items
from plainmlp.sweeps.grid.grid import Excluder

CHOICES = {"model": "mlp", "optimizer": "adam", "experiment": None}


def excludes(rule: dict[str, Any], **values: object) -> bool:
    return Excluder([rule]).excludes(dict(flat_items(changed(**values))), CHOICES)


@pytest.mark.parametrize(
    ("rule", "is_left_out"),
    [
        ({"seed": 0}, True),
        ({"seed": 1}, False),
        ({"seed": [1, 0]}, True),
        ({"seed": []}, False),
        ({"seed": 0, "model.activation": "relu"}, True),
        ({"seed": 0, "model.activation": "tanh"}, False),
        ({"model.hidden_sizes": [128]}, True),
        ({"model.hidden_sizes": [[64], [128]]}, True),
        ({"model.hidden_sizes": 128}, False),
        ({"model.weights": None}, True),
        ({"model.l2": 0}, True),
        ({"model": "mlp"}, True),
        ({"model": ["deep", "linear"]}, False),
        ({"optimizer": "adam"}, True),
        ({"experiment": None}, True),
        ({"nothing": None}, False),
        ({}, True),
    ],
)
def test_point_is_left_out_by_what_it_has(rule: dict[str, Any], is_left_out: bool) -> None:
    assert excludes(rule) is is_left_out


def test_choice_with_options_is_known_by_its_name() -> None:
    schedule = {"name": "step", "factor": 0.5}
    assert excludes({"optimizer.schedule": "step"}, optimizer__schedule=schedule)
    assert excludes({"optimizer.schedule": ["constant", "step"]}, optimizer__schedule=schedule)
    assert excludes({"optimizer.schedule": schedule}, optimizer__schedule=schedule)
    assert not excludes({"optimizer.schedule": "constant"}, optimizer__schedule=schedule)


def test_optimizer_is_known_by_its_name_under_an_experiment_that_chose_it() -> None:
    assert excludes({"optimizer": "sgd"}, optimizer__name="sgd")


def test_one_rule_is_enough() -> None:
    assert Excluder([{"seed": 5}, {"seed": 0}]).excludes(dict(flat_items(DEFAULT)), CHOICES)
    assert not Excluder([{"seed": 5}, {"seed": 6}]).excludes(dict(flat_items(DEFAULT)), CHOICES)
    assert not Excluder([]).excludes(dict(flat_items(DEFAULT)), CHOICES)


def test_overrides_alone_tell_only_what_they_set() -> None:
    given = {"optimizer": "sgd", "seed": 3}
    assert Excluder([{"optimizer": ["sgd"], "seed": 3}]).excludes(given)
    assert not Excluder([{"optimizer": "sgd", "model.l2": 0.0}]).excludes(given)
    assert not Excluder([{"optimizer": "adam"}]).excludes(given)


def test_key_that_some_point_has_is_known() -> None:
    excluder = Excluder([{"optimizer.momentum": 1, "model.l2": 1, "new": 1}])
    excluder.excludes({"new": 3})
    excluder.excludes(dict(flat_items(changed(optimizer__momentum=0.9))), CHOICES)
    excluder.excludes(dict(flat_items(changed())), CHOICES)
    excluder.check_keys()


def test_key_that_no_point_has_is_refused() -> None:
    excluder = Excluder([{"seed": 1}, {"model.l3": 1}])
    excluder.excludes(dict(flat_items(DEFAULT)), CHOICES)
    assert refusal(excluder.check_keys).startswith("sweep.exclude: model.l3 is an unknown key")
