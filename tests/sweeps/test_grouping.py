import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configurations import refusal
from plainmlp.construction import build_architecture
from plainmlp.sweeps import grouping
from plainmlp.sweeps.grouping import group
from pointed import outcomes_of, point, splits_of


def ids(stacks):
    return [[each.point_id for each in stack] for stack in stacks]


@pytest.mark.parametrize(
    "values",
    [
        {"dataset__name": "clusters"},
        {"split__seed": 5},
        {"model__hidden_sizes": [7]},
        {"model__bias": False},
        {"model__loss": "squared_error"},
        {"optimizer": {"name": "sgd", "learning_rate": 0.1, "schedule": "constant", "clip_norm": None}},
        {"training__epochs": 4},
        {"training__batch_size": 31},
        {"training__dtype": "float64"},
        {"training__shuffle": False},
        {"training__class_weights": "balanced"},
        {"training__blas_threads": 2},
    ],
)
def test_points_that_cannot_train_together_are_apart(values):
    stacks = group([point(), point(**values)], splits_of, workers=1)
    assert [len(stack) for stack in stacks] == [1, 1]


@pytest.mark.parametrize(
    "values",
    [
        {"seed": 1},
        {"model__activation": "tanh"},
        {"model__initializer": "he_normal"},
        {"model__l2": 0.1},
        {"model__dropout": 0.5},
        {"optimizer__learning_rate": 0.5},
        {"optimizer__beta1": 0.5},
        {"optimizer__schedule": "cosine"},
        {"optimizer__clip_norm": 1.0},
        {"training__patience": 3},
        {"training__monitor": "train_loss"},
        {"training__minimum_improvement": 0.1},
        {"training__digest_every": 2},
        {"training__checkpoint_epochs": 1},
        {"training__checkpoint_seconds": None},
        {"tracking__experiment": "elsewhere"},
    ],
)
def test_points_that_can_train_together_do(values):
    pair = [point(seed=20), point(**{"seed": 21, **values})]
    assert [set(stack) for stack in ids(group(pair, splits_of, workers=1))] == [{each.point_id for each in pair}]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.randoms())
def test_every_point_is_in_one_stack_in_whatever_order_they_come(count, workers, rng):
    points = [point(seed=number // 3, model__hidden_sizes=[[4], [5], [6, 6]][number % 3]) for number in range(count)]
    rng.shuffle(points)
    stacks = ids(group(points, splits_of, workers))
    assert Counter(name for stack in stacks for name in stack) == Counter(each.point_id for each in points)
    assert all(stacks)


def test_activations_stand_in_runs():
    points = [point(seed=seed, model__activation=name) for seed in range(5) for name in ("relu", "tanh", "gelu")]
    random.Random(3).shuffle(points)
    for stack in group(points, splits_of, workers=1):
        names = [each.config.model.activation for each in stack]
        assert names == sorted(names)


def test_a_large_network_has_smaller_stacks():
    def largest(hidden, count=80):
        points = [point(seed=seed, model__hidden_sizes=hidden, training__batch_size=32) for seed in range(count)]
        return max(len(stack) for stack in group(points, splits_of, workers=1))

    sizes = [largest([16]), largest([128, 64]), largest([1024, 512])]
    assert sizes[0] > sizes[1] > sizes[2] == 1
    assert sizes[0] <= grouping.LARGEST_STACK


def test_a_stack_fits_into_the_cache():
    points = [point(seed=seed, model__hidden_sizes=[300]) for seed in range(30)]
    # weights and biases, gradients, scratch and two memories of adam; sums, outputs, errors and scratch of each unit
    step = 4 * (5 * (64 * 300 + 300 + 300 * 10 + 10) + 4 * 32 * (64 + 300 + 10))
    lengths = [len(stack) for stack in group(points, splits_of, workers=1)]
    assert max(lengths) * step <= grouping.STACK_BYTES * 1.2
    assert max(lengths) > 0.5 * grouping.STACK_BYTES / step


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_worker_has_about_the_same_to_do(workers):
    sizes = ([16], [64], [64, 32], [128, 64])
    points = [
        point(seed=seed, model__hidden_sizes=hidden, training__epochs=50) for seed in range(15) for hidden in sizes
    ]
    loads = [0.0] * workers
    for stack in group(points, splits_of, workers):  # each to the worker that is free first
        freest = loads.index(min(loads))
        loads[freest] += sum(grouping._Load(each, splits_of(each.config)).seconds for each in stack)
    assert max(loads) < 1.35 * sum(loads) / workers


def test_what_takes_longest_comes_first():
    points = [point(training__epochs=epochs) for epochs in (1, 200, 30)]
    assert [stack[0].config.training.epochs for stack in group(points, splits_of, workers=2)] == [200, 30, 1]


def test_the_same_data_is_read_once():
    points = [point(seed=seed, split__seed=seed % 2) for seed in range(10)]
    asked = []
    group(points, lambda config: asked.append(config.split.seed) or splits_of(config), workers=2)
    assert sorted(asked) == [0, 1]


def test_a_point_that_does_not_suit_its_data_is_alone():
    bad = point(model__loss="binary_cross_entropy")
    stacks = group([point(), bad, point(seed=1)], splits_of, workers=1)
    assert [bad.point_id] in ids(stacks)
    (failure,) = outcomes_of([bad])
    assert str(failure) == refusal(build_architecture, splits_of(bad.config), bad.config.model)


def test_no_points_make_no_stacks():
    assert group([], splits_of, workers=2) == []


def test_networks_of_another_backend_are_alone():
    points = [point(seed=seed, backend={"name": name}) for seed in range(2) for name in ("numpy", "sklearn")]
    stacks = group(points, splits_of, workers=1)
    assert sorted(sorted(each.config.backend.name for each in stack) for stack in stacks) == [
        ["numpy", "numpy"],
        ["sklearn"],
        ["sklearn"],
    ]
