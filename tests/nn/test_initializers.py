import math

import numpy as np
import pytest

from entries import same_names
from plainmlp.nn.initializers import INITIALIZERS, draw_weights

N_OUT, N_IN = 400, 600

# variance of N(0, 1) cut at +-2: 1 - 4 phi(2) / (Phi(2) - Phi(-2))
CUT_VARIANCE = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))

# options given, mean and variance in theory, largest distance from the mean (None: no limit)
THEORY = {
    "zeros": [({}, 0, 0, 0)],
    "normal": [({}, 0, 1, None), ({"mean": -0.5, "standard_deviation": 0.1}, -0.5, 0.01, None)],
    "truncated_normal": [
        ({}, 0, CUT_VARIANCE, 2),
        ({"mean": 3.0, "standard_deviation": 0.5}, 3, 0.25 * CUT_VARIANCE, 1),
    ],
    "uniform": [({}, 0, 0.1**2 / 12, 0.05), ({"low": 1.0, "high": 3.0}, 2, 4 / 12, 1)],
    "normal_fan_out": [({}, 0, 1 / N_OUT, None)],
    "lecun_normal": [({}, 0, 1 / N_IN, None)],
    "lecun_uniform": [({}, 0, 1 / N_IN, math.sqrt(3 / N_IN))],
    "glorot_normal": [({}, 0, 2 / (N_IN + N_OUT), None)],
    "glorot_uniform": [({}, 0, 2 / (N_IN + N_OUT), math.sqrt(6 / (N_IN + N_OUT)))],
    "he_normal": [({}, 0, 2 / N_IN, None)],
    "he_uniform": [({}, 0, 2 / N_IN, math.sqrt(6 / N_IN))],
}
CASES = [(name, *case) for name in INITIALIZERS for case in THEORY.get(name, ())]


def test_every_initializer_has_its_theory():
    same_names(THEORY, INITIALIZERS, "add its distribution to THEORY in tests/nn/test_initializers.py")


def draw(name, options, seed=0):
    return draw_weights(name, options, np.random.default_rng(seed), N_OUT, N_IN)


@pytest.mark.parametrize(("name", "options", "mean", "variance", "limit"), CASES)
def test_mean_and_variance_are_those_of_theory(name, options, mean, variance, limit):
    weights = draw(name, options)
    deviation = math.sqrt(variance)
    assert abs(weights.mean() - mean) <= 5 * deviation / math.sqrt(weights.size)
    assert abs(weights.var() - variance) <= 0.015 * variance  # 5 standard errors of a normal variance
    if limit is not None:
        distance = np.abs(weights - mean).max()
        assert 0.99 * limit <= distance <= limit * (1 + 1e-12)


@pytest.mark.parametrize("name", ["normal", "normal_fan_out", "lecun_normal", "glorot_normal", "he_normal"])
def test_normal_entries_have_normal_tails(name):
    weights = draw(name, {})
    assert abs((np.abs(weights) > 2 * weights.std()).mean() - math.erfc(math.sqrt(2))) < 0.003


@pytest.mark.parametrize("name", INITIALIZERS)
def test_shape_dtype_and_repetition(name):
    first, again, other = draw(name, {}), draw(name, {}), draw(name, {}, seed=1)
    assert first.shape == (N_OUT, N_IN)
    assert first.dtype == np.float64
    assert first.tobytes() == again.tobytes()
    assert (first == other).all() == (name == "zeros")


@pytest.mark.parametrize("name", INITIALIZERS)
def test_layers_of_one_unit(name):
    assert draw_weights(name, {}, np.random.default_rng(0), 1, 1).shape == (1, 1)


def test_a_deviation_of_zero_gives_the_mean():
    for name in ("normal", "truncated_normal"):
        assert (draw(name, {"mean": 0.3, "standard_deviation": 0.0}) == 0.3).all()
