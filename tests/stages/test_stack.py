import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configurations import DEFAULT
from plainmlp.errors import InputError, TrainingError
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.stages.stack import Fitted
from plainmlp.stages.train import train
from plainmlp.sweeps.grouping import group
from plainmlp.sweeps.points import Point
from pointed import outcomes_of, point, splits_of

# what the points of one stack may differ in
OWN = {
    "seed": st.integers(0, 3),
    "model__activation": st.sampled_from(sorted(ACTIVATIONS)),
    "model__initializer": st.sampled_from(
        ["auto", "zeros", "glorot_normal", {"name": "normal", "standard_deviation": 0.3}]
    ),
    "model__l1": st.sampled_from([0.0, 0.001]),
    "model__l2": st.sampled_from([0.0, 0.01]),
    "model__dropout": st.sampled_from([0.0, 0.3]),
    "optimizer__learning_rate": st.sampled_from([0.001, 0.02, 0.1]),
    "optimizer__schedule": st.sampled_from(sorted(SCHEDULES)),
    "optimizer__clip_norm": st.sampled_from([None, 0.5]),
    "training__patience": st.sampled_from([None, 1]),
    "training__monitor": st.sampled_from(["validation_loss", "validation_accuracy", "train_loss"]),
}
# what all of them share
SHARED = {
    "model__hidden_sizes": st.sampled_from([[], [5], [6, 4]]),
    "model__bias": st.booleans(),
    "optimizer__name": st.sampled_from(["sgd", "adam"]),
    "training__batch_size": st.sampled_from([7, 32, "full"]),
    "training__dtype": st.sampled_from(["float32", "float64"]),
    "training__shuffle": st.booleans(),
    "training__class_weights": st.sampled_from([None, "balanced"]),
    "training__epochs": st.integers(1, 4),
}


def alone(member):
    config = member.config
    return train(splits_of(config), config.seed, config.model, config.optimizer, config.training)


def of_optimizer(values):
    """Return values for `changed`, where the optimiser's options have their defaults."""
    kept = {key: DEFAULT["optimizer"][key] for key in ("schedule", "clip_norm", "learning_rate")}
    own = {key: value for key, value in values.items() if key.startswith("optimizer__")}
    others = {key: value for key, value in values.items() if key not in own}
    return {**others, "optimizer": kept | {key.removeprefix("optimizer__"): value for key, value in own.items()}}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.fixed_dictionaries(SHARED), st.lists(st.fixed_dictionaries(OWN), min_size=2, max_size=6), st.randoms())
def test_a_point_has_in_a_stack_the_bits_that_it_has_alone(shared, own, rng):
    points = [point(**of_optimizer({**shared, **values})) for values in own]
    distinct = list({each.point_id: each for each in points}.values())
    rng.shuffle(distinct)
    outcomes = by_id(distinct)
    assert outcomes.keys() == {each.point_id for each in distinct}
    for each in distinct:
        expected, outcome = alone(each), outcomes[each.point_id]
        assert isinstance(outcome, Fitted)
        assert outcome.trained.model.weights_digest == expected.model.weights_digest
        np.testing.assert_equal(outcome.trained.history, expected.history)
        assert outcome.trained.digests == expected.digests
        assert outcome.trained.model.initial_digest == expected.model.initial_digest
        assert outcome.trained.model.architecture == expected.model.architecture
        assert outcome.seconds > 0


def by_id(points):
    return {each.point_id: outcome for each, outcome in zip(points, outcomes_of(points), strict=True)}


def test_the_default_network_has_its_bits_in_every_order_and_subset():
    points = [
        point(seed=seed, model__activation=activation, model__hidden_sizes=[16], training__epochs=2, split__train=1000)
        for seed in range(4)
        for activation in ("relu", "tanh", "gelu")
    ]
    expected = {each.point_id: alone(each).model.weights_digest for each in points}
    assert len(set(expected.values())) == len(points)
    for size in (12, 7, 3, 1):
        chosen = random.Random(size).sample(points, size)
        stacks = group(chosen, splits_of, workers=1)
        outcomes = {name: outcome for stack in stacks for name, outcome in by_id(stack).items()}
        found = {name: outcome.trained.model.weights_digest for name, outcome in outcomes.items()}
        assert found == {each.point_id: expected[each.point_id] for each in chosen}


def failing(function):
    with pytest.raises((InputError, TrainingError)) as caught:
        function()
    return type(caught.value), str(caught.value)


def test_a_point_that_diverges_fails_as_alone_and_leaves_the_others_as_they_are():
    fatal = {"optimizer__learning_rate": 1e30, "training__epochs": 4}
    points = [point(training__epochs=4), point(**fatal), point(seed=1, training__epochs=4), point(seed=1, **fatal)]
    outcomes = outcomes_of(points)
    for each, outcome in zip(points, outcomes, strict=True):
        if each.config.optimizer.learning_rate > 1:
            assert (type(outcome), str(outcome)) == failing(lambda each=each: alone(each))
        else:
            assert outcome.trained.model.weights_digest == alone(each).model.weights_digest


def test_points_that_stop_early_have_shorter_histories():
    values = {"training__epochs": 12, "optimizer__learning_rate": 0.1}
    points = [point(**values), point(training__patience=1, **values), point(seed=1, training__patience=2, **values)]
    outcomes = outcomes_of(points)
    lengths = [len(outcome.trained.history["train_loss"]) for outcome in outcomes]
    assert lengths[0] == 12
    assert min(lengths) < 12
    for each, outcome in zip(points, outcomes, strict=True):
        assert outcome.trained.history == alone(each).history
        assert outcome.trained.model.weights_digest == alone(each).model.weights_digest


def test_a_point_whose_start_cannot_be_read_fails_alone(tmp_path):
    good = point()
    model = good.config.model.model_copy(update={"weights": str(tmp_path / "none.safetensors")})
    bad = Point(("weights",), good.config.model_copy(update={"model": model}), "0" * 64)
    outcomes = by_id([bad, good])
    assert (type(outcomes[bad.point_id]), str(outcomes[bad.point_id])) == failing(lambda: alone(bad))
    assert outcomes[good.point_id].trained.model.weights_digest == alone(good).model.weights_digest


def test_settings_that_do_not_suit_the_data_fail_each_point_as_alone():
    points = [point(seed=seed, training__class_weights=[1.0, 2.0]) for seed in range(2)]
    for each, outcome in zip(points, outcomes_of(points), strict=True):
        assert (type(outcome), str(outcome)) == failing(lambda each=each: alone(each))


def test_a_model_does_not_hold_the_whole_stack_in_memory():
    points = [point(seed=seed) for seed in range(3)]
    for outcome in outcomes_of(points):
        assert outcome.trained.model.parameters.base is None


def test_the_seconds_of_a_stack_are_shared_among_those_that_train(monkeypatch):
    from plainmlp.stages import stack

    clock = iter(range(1000))
    monkeypatch.setattr(stack.time, "perf_counter", lambda: float(next(clock)))
    points = [
        point(training__epochs=2),
        point(training__epochs=2, optimizer__learning_rate=1e30),
        point(seed=1, training__epochs=2),
    ]
    outcomes = outcomes_of(points)
    # a second an epoch: three share the first, which one does not survive; two share the next
    assert outcomes[0].seconds == outcomes[2].seconds == pytest.approx(1 / 3 + 1 / 2)
