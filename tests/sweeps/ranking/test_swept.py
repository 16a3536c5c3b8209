import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainmlp.sweeps.ranking.swept import settings_but, settings_of, short_names, swept_keys, value_order
from swept import child


def parameters(**values):
    return child({key.replace("__", "."): value for key, value in values.items()}).parameters


def test_seed_and_place_of_the_record_are_not_swept():
    points = [
        parameters(seed=0, tracking__uri="a", model__activation="relu", model__l1=0.0),
        parameters(seed=1, tracking__uri="b", model__activation="tanh", model__l1=0.0),
    ]
    assert swept_keys(points) == ["model.activation"]
    assert swept_keys(points[:1]) == []


def test_points_that_differ_in_seed_and_record_alone_are_one():
    assert settings_but("seed", parameters(seed=0, sweep__name="a", model__l1=0.1)) == settings_but(
        "seed", parameters(seed=1, model__l1=0.1)
    )
    assert settings_but("seed", parameters(model__l1=0.1)) != settings_but("seed", parameters(model__l1=0.2))


def test_option_that_another_key_tells_is_no_swept_key():
    sgd = parameters(optimizer__name="sgd", optimizer__learning_rate=0.1)
    momentum = parameters(optimizer__name="momentum", optimizer__learning_rate=0.1, optimizer__momentum=0.9)
    other = parameters(optimizer__name="momentum", optimizer__learning_rate=0.1, optimizer__momentum=0.5)
    assert swept_keys([sgd, momentum]) == ["optimizer.name"]
    assert swept_keys([sgd, momentum, other]) == ["optimizer.momentum", "optimizer.name"]
    assert settings_of(sgd, ["optimizer.momentum"]) == {"optimizer.momentum": ""}


def test_keys_that_all_points_have_stay_even_where_one_tells_the_other():
    points = [parameters(a=1, b="x"), parameters(a=2, b="y")]
    assert swept_keys(points) == ["a", "b"]


def test_values_are_in_the_order_of_a_reader():
    ordered = ["1e-05", "0.001", "10", "[]", "[16]", "[128]", "[64, 32]", "NaN", "null", "relu", "tanh"]
    assert sorted(sorted(ordered), key=value_order) == ordered


@given(
    st.lists(
        st.one_of(st.text(max_size=5), st.sampled_from(['["relu"]', "true", "1", "1.0", "[1, 2]", "{}", "NaN"])),
        unique=True,
    )
)
def test_any_values_can_be_sorted(values):
    assert sorted(values, key=value_order) == sorted(sorted(values), key=value_order)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["seed", "model.activation"], ["seed", "activation"]),
        (["optimizer.name", "backend.name", "model.l1"], ["optimizer", "backend", "l1"]),
        (["model.initializer.name", "split.seed", "dataset.seed"], ["initializer", "split.seed", "dataset.seed"]),
    ],
)
def test_short_names_stay_unambiguous(keys, expected):
    assert list(short_names(keys).values()) == expected
