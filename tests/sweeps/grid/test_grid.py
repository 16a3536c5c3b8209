"""Which points of a grid are run, each once, and what is refused before any of them is."""

import time
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import DEFAULT, refusal
from multirun import begin
from plainmlp.composition.composer import Composer
from plainmlp.config.canonical import canonical
from plainmlp.config.schema import Config, SweepSection
from plainmlp.sweeps.grid.grid import (
    MAX_POINTS,
    Overrides,
    check_counts,
    choose_points,
    ranking_metrics,
    read_settings,
)
from plainmlp.system.errors import InputError

SEEDS = [(f"seed={seed}",) for seed in range(30)]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(*begin())


def settings_with(**values: Any) -> SweepSection:
    """Return the settings of a sweep, with other values."""
    return read_settings({**DEFAULT["sweep"], **values})


def grid_of(*axes: tuple[str, ...]) -> list[Overrides]:
    return list(product(*axes))


def seeds(chosen: dict[Overrides, Config]) -> list[int]:
    return [config.seed for config in chosen.values()]


def test_point_of_a_grid_of_one_is_a_single_run(composer: Composer) -> None:
    [(overrides, config)] = choose_points([()], composer, settings_with()).items()
    assert (overrides, canonical(config)["seed"]) == ((), 0)


def test_the_largest_grid_is_allowed_and_one_more_is_not() -> None:
    check_counts({"seed": MAX_POINTS})
    check_counts({"seed": MAX_POINTS // 2, "model": 2})
    assert refusal(check_counts, {"seed": 100_001}).startswith("the grid has 100,001 points (100,001 of seed)")
    line = refusal(check_counts, {"seed": 317, "model": 1, "split.seed": 317})
    assert line == "the grid has 100,489 points (317 of seed x 317 of split.seed); allowed: at most 100,000"


def test_an_empty_axis_is_refused_even_beside_a_huge_one() -> None:
    assert refusal(check_counts, {"split.seed": 10**9, "seed": 0}).startswith("seed has no value")


@pytest.mark.parametrize("key", ["sweep", "sweep.sample", "+sweep.exclude"])
def test_settings_of_the_sweep_are_not_swept(key: str) -> None:
    check_counts({key: 1, "sweeping": 2})
    assert refusal(check_counts, {key: 2}).startswith(f"{key} has 2 values; a sweep runs one grid")


def test_repeated_points_are_run_once(composer: Composer) -> None:
    grid = grid_of(("seed=1", "++seed=1", "seed=0", "seed=1"), ("model.l2=0", "model.l2=0.0", "model.l2=-0.0"))
    assert list(choose_points(grid, composer, settings_with())) == [("seed=1", "model.l2=0"), ("seed=0", "model.l2=0")]


def test_where_points_are_recorded_does_not_make_two_of_one(composer: Composer) -> None:
    grid = grid_of(("tracking.experiment=a", "tracking.experiment=b"))
    assert len(choose_points(grid, composer, settings_with())) == 1


@settings(deadline=None, max_examples=20)
@given(sample=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_sample_is_part_of_the_grid_in_its_order(composer: Composer, sample: int, seed: int) -> None:
    drawn = seeds(choose_points(SEEDS, composer, settings_with(sample=sample, seed=seed)))
    assert len(drawn) == min(sample, len(SEEDS))
    assert drawn == sorted(set(drawn))
    assert drawn == seeds(choose_points(SEEDS, composer, settings_with(sample=sample, seed=seed)))


def test_sample_depends_on_its_seed_and_not_on_what_comes_first(composer: Composer) -> None:
    draws = [seeds(choose_points(SEEDS, composer, settings_with(sample=5, seed=seed))) for seed in range(20)]
    assert len({tuple(drawn) for drawn in draws}) > 15
    assert {seed for drawn in draws for seed in drawn} > set(range(25))


def test_sample_is_of_what_is_not_left_out_and_without_repetition(composer: Composer) -> None:
    grid = grid_of(("seed=0", "seed=1", "seed=2", "seed=3", "seed=3"), ("model.l2=0", "model.l2=0.0"))
    for seed in range(10):
        chosen = choose_points(grid, composer, settings_with(sample=3, seed=seed, exclude=[{"seed": 0}]))
        assert seeds(chosen) == [1, 2, 3]


def test_combinations_are_left_out(composer: Composer) -> None:
    grid = grid_of(("optimizer=sgd", "optimizer=adam"), ("optimizer.learning_rate=0.1", "optimizer.learning_rate=0.01"))
    rule = {"optimizer": "adam", "optimizer.learning_rate": [0.1, 1]}
    chosen = choose_points(grid, composer, settings_with(exclude=[rule]))
    found = [(config.optimizer.name, config.optimizer.learning_rate) for config in chosen.values()]
    assert found == [("sgd", 0.1), ("sgd", 0.01), ("adam", 0.01)]


def test_what_is_left_out_need_not_compose_or_be_valid(composer: Composer) -> None:
    grid = grid_of(("optimizer=sgd", "optimizer=adam"), ("optimizer.beta1=0.8",))
    assert len(choose_points(grid, composer, settings_with(exclude=[{"optimizer": "sgd"}]))) == 1
    grid = grid_of(("training.epochs=0", "training.epochs=1"))
    assert len(choose_points(grid, composer, settings_with(exclude=[{"training.epochs": 0}]))) == 1
    grid = grid_of(("model.activation=[relu,tanh]",), ("model.hidden_sizes=[4]", "model.hidden_sizes=[4,4]"))
    assert len(choose_points(grid, composer, settings_with(exclude=[{"model.hidden_sizes": [4]}]))) == 1


def test_point_that_is_not_valid_is_refused_as_a_single_run_is(composer: Composer) -> None:
    grid = grid_of(("model.activation=relu", "model.activation=tanhh"))
    assert refusal(choose_points, grid, composer, settings_with()).startswith(
        "model.activation='tanhh' is unknown; did"
    )


def test_nothing_left_is_refused_with_the_count(composer: Composer) -> None:
    line = refusal(choose_points, SEEDS, composer, settings_with(exclude=[{"seed": list(range(30))}]))
    assert line.startswith("sweep.exclude=[{'seed': [")
    assert line.endswith("leaves none of 30 points")


@pytest.mark.parametrize("sample", [None, 2])
def test_unknown_key_of_an_exclusion_is_refused(composer: Composer, sample: int | None) -> None:
    excluding = settings_with(exclude=[{"seed": 1, "model.activaton": "relu"}], sample=sample)
    line = refusal(choose_points, SEEDS[:3], composer, excluding)
    assert line.startswith("sweep.exclude: model.activaton is an unknown key; did you mean 'model.activation'?")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            {"exclude": 5},
            "sweep.exclude=5 is not allowed: it must be a list",
        ),
        ({"exclude": [5]}, "sweep.exclude[0]=5 is not allowed: it must be a mapping"),
        ({"sample": 0}, "sweep.sample=0 is not allowed: it must be at least 1"),
        ({"sampel": 1}, "sweep.sampel is an unknown key; did you mean 'sweep.sample'? (allowed in sweep: "),
        ({"metric": "test_loss"}, "sweep.metric='test_loss' is unknown (allowed: auto, validation_accuracy, "),
        ({"metric": "validation_los"}, "sweep.metric='validation_los' is unknown; did you mean 'validation_loss'?"),
    ],
)
def test_settings_are_checked(values: dict[str, object], line: str) -> None:
    assert refusal(read_settings, {**DEFAULT["sweep"], **values}).startswith(line)


def test_missing_settings_are_refused() -> None:
    assert refusal(read_settings, None) == "sweep=null is not allowed: it must be a mapping"


def test_points_are_ranked_by_nothing_but_the_validation_part() -> None:
    assert {"auto", "validation_loss", "validation_macro_f1", "validation_mean_squared_error"} <= set(ranking_metrics())
    assert all(metric == "auto" or metric.startswith("validation_") for metric in ranking_metrics())


def test_a_huge_grid_is_sampled_without_composing_all_of_it(composer: Composer) -> None:
    grid = grid_of(tuple(f"seed={seed}" for seed in range(1000)), tuple(f"split.seed={seed}" for seed in range(100)))
    start = time.process_time()
    assert len(choose_points(grid, composer, settings_with(sample=5))) == 5
    assert time.process_time() - start < 5  # all of it would take minutes


def test_error_is_raised_before_the_sample_is_complete(composer: Composer) -> None:
    with pytest.raises(InputError):
        choose_points([("seed=-1",)], composer, settings_with(sample=1))
