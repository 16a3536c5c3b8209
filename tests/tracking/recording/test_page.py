"""What MLflow's pages say of a run first."""

import pytest

from plainmlp.tracking.recording.page import describe_run, describe_worth, run_name, value_name
from recorded import configuration


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "digits 128 relu adam"),
        ({"model__hidden_sizes": [64, 32], "model__activation": "tanh", "seed": 3}, "digits 64-32 tanh adam s3"),
        ({"model__hidden_sizes": [], "backend__name": "torch"}, "digits linear adam torch"),
        ({"model__hidden_sizes": [8, 4], "model__activation": ["relu", "tanh"]}, "digits 8-4 relu-tanh adam"),
    ],
)
def test_name_says_data_and_network_and_what_is_not_usual(values: dict[str, object], name: str) -> None:
    assert run_name(configuration(**values)) == name


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("hidden_sizes", "[64,32]", "64-32"),
        ("hidden_sizes", "[]", "linear"),
        ("activation", "tanh", "tanh"),
        ("seed", "2", "s2"),
        ("split.seed", "2", "split.seed=2"),
        ("learning_rate", "0.001", "learning_rate=0.001"),
        ("bias", "false", "bias=false"),
    ],
)
def test_values_that_say_themselves_stand_alone(key: str, value: str, name: str) -> None:
    assert value_name(key, value) == name


def test_description_names_the_first_metric_of_the_kind_of_data() -> None:
    worth = describe_worth("test", {"r2": 0.5, "mean_squared_error": 2.0}, {"r2": (0.25, 0.75)}, {"r2": -0.01})
    text = describe_run(configuration(), worth, "3f2a")
    assert "test r2 **0.5** (95 % interval 0.25 to 0.75); the same answer for every row: -0.01" in text
    assert text.endswith("`python pipelines/verify.py 3f2a`")
