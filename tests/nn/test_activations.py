import math

import numpy as np
import pytest

from entries import known
from networks import DTYPES
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS

LN2, LN3 = math.log(2), math.log(3)
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

# for each name pairs of z and f(z), worked by hand
VALUES = {
    "identity": [(-2.5, -2.5), (0.0, 0.0), (3.0, 3.0)],
    "relu": [(-2.5, 0.0), (0.0, 0.0), (3.0, 3.0)],
    "leaky_relu": [(-2.0, -0.02), (0.0, 0.0), (3.0, 3.0)],
    "elu": [(-LN2, -0.5), (0.0, 0.0), (3.0, 3.0)],
    "selu": [(-LN2, -0.5 * SELU_SCALE * SELU_ALPHA), (0.0, 0.0), (2.0, 2 * SELU_SCALE)],
    "sigmoid": [(-LN3, 0.25), (0.0, 0.5), (LN3, 0.75)],
    "tanh": [(-LN2, -0.6), (0.0, 0.0), (LN2, 0.6)],
    "softplus": [(-LN3, math.log(4 / 3)), (0.0, LN2), (LN3, math.log(4))],
    "silu": [(-LN3, -0.25 * LN3), (0.0, 0.0), (LN3, 0.75 * LN3)],
    "gelu": [(-1.0, -0.15880800939172324), (0.0, 0.0), (1.0, 0.8411919906082768)],
}


def apply(name, z):
    with np.errstate(all="ignore"):
        return ACTIVATIONS[name].function(z)


def slope(name, z):
    with np.errstate(all="ignore"):
        return ACTIVATIONS[name].backward(np.ones_like(z), z, ACTIVATIONS[name].function(z))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_worked_by_hand(name):
    z, expected = np.array(known(VALUES, name, "VALUES in tests/nn/test_activations.py")).T
    np.testing.assert_allclose(apply(name, z), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_is_the_central_difference(name):
    z = np.concatenate([np.linspace(-8, -0.01, 60), np.linspace(0.01, 8, 60)])  # away from the kink at 0
    step = 1e-6
    numeric = (apply(name, z + step) - apply(name, z - step)) / (2 * step)
    np.testing.assert_allclose(slope(name, z), numeric, rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_multiplies_the_error(name):
    z = np.array([-1.5, -0.2, 0.3, 2.0])
    delta = ACTIVATIONS[name].backward(np.array([2.0, -3.0, 5.0, 0.0]), z, apply(name, z))
    np.testing.assert_allclose(delta, slope(name, z) * [2, -3, 5, 0], rtol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_finite_far_out_and_keeps_the_dtype(name, dtype):
    z = np.array([-1e3, -88.8, -30.0, -1e-30, 0.0, 1e-30, 30.0, 88.8, 1e3], dtype)
    for result in (apply(name, z), slope(name, z)):
        assert result.dtype == dtype
        assert np.isfinite(result).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_what_is_not_a_number_stays_so(name, dtype):
    assert np.isnan(apply(name, np.full(3, np.nan, dtype))).all()


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_is_the_identity_far_to_the_right(name, dtype):
    z = np.array([40.0, 1e3], dtype)
    np.testing.assert_array_equal(apply(name, z), z)
    np.testing.assert_array_equal(slope(name, z), [1, 1])


def test_silu_slope_does_not_cancel_in_single_precision():
    z = np.geomspace(5, 1e12, 200)
    np.testing.assert_allclose(slope("silu", z.astype(np.float32)), slope("silu", z), rtol=2e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_arguments_are_left_alone(name):
    z, delta = np.linspace(-3, 3, 20), np.linspace(1, 2, 20)
    output = apply(name, z).copy()
    kept = z.copy(), delta.copy(), output.copy()
    ACTIVATIONS[name].backward(delta, z, output)
    for array, before in zip((z, delta, output), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_slope_of_relu_at_its_kink_is_zero():
    np.testing.assert_array_equal(slope("relu", np.array([-2.0, -0.0, 0.0, 1e-300, np.inf])), [0, 0, 0, 1, 1])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_can_die_says_whether_the_slope_is_zero_on_a_half_line(name):
    is_flat = bool((slope(name, -np.geomspace(0.1, 5, 50)) == 0).all())
    assert ACTIVATIONS[name].can_die == is_flat


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_initializer_is_an_entry(name):
    assert ACTIVATIONS[name].initializer in INITIALIZERS
