import math

import numpy as np
import pytest

from plainmlp.nn.activations import ACTIVATIONS, sigmoid
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


def apply(name, z, in_place=False):
    z = z.copy()
    out = z if in_place else np.full_like(z, np.nan)
    ACTIVATIONS[name].apply(z, out, np.full_like(z, np.nan))
    return out


def slope(name, z, in_place=False):
    """Return f'(z), computed as training does: in place where the activation allows that."""
    z = z.copy()
    out = z if in_place else np.empty_like(z)
    scratch, delta = np.full_like(z, np.nan), np.ones_like(z)
    ACTIVATIONS[name].apply(z, out, scratch)
    scratch.fill(np.nan)
    ACTIVATIONS[name].multiply_slope(delta, z, out, scratch)
    return delta


def places(name):
    """Say which ways of keeping z an activation has to support."""
    return (False, True) if ACTIVATIONS[name].from_output else (False,)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_worked_by_hand(name):
    z, expected = np.array(VALUES[name]).T
    for in_place in places(name):
        np.testing.assert_allclose(apply(name, z, in_place), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_is_the_central_difference(name):
    z = np.concatenate([np.linspace(-8, -0.01, 60), np.linspace(0.01, 8, 60)])  # away from the kink at 0
    step = 1e-6
    numeric = (apply(name, z + step) - apply(name, z - step)) / (2 * step)
    for in_place in places(name):
        np.testing.assert_allclose(slope(name, z, in_place), numeric, rtol=1e-7, atol=2e-9)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slope_multiplies_the_error(name):
    z = np.array([-1.5, -0.2, 0.3, 2.0])
    activation, out, delta = ACTIVATIONS[name], np.empty(4), np.array([2.0, -3.0, 5.0, 0.0])
    activation.apply(z, out, np.empty(4))
    activation.multiply_slope(delta, z.copy(), out, np.empty(4))
    np.testing.assert_allclose(delta, slope(name, z) * [2, -3, 5, 0], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_finite_far_out_and_keeps_the_dtype(name, dtype):
    z = np.array([-1e3, -88.8, -30.0, -1e-30, 0.0, 1e-30, 30.0, 88.8, 1e3], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for result in (apply(name, z), slope(name, z)):
            assert result.dtype == dtype
            assert np.isfinite(result).all()


@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_the_identity_far_to_the_right(name, dtype):
    z = np.array([40.0, 1e3], dtype)
    np.testing.assert_array_equal(apply(name, z), z)
    np.testing.assert_array_equal(slope(name, z), [1, 1])


def test_silu_slope_does_not_cancel_in_single_precision():
    z = np.geomspace(5, 1e12, 200)
    np.testing.assert_allclose(slope("silu", z.astype(np.float32)), slope("silu", z), rtol=2e-6)


@pytest.mark.parametrize("name", [name for name, entry in ACTIVATIONS.items() if entry.from_output])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_place_has_the_bits_of_out_of_place(name, dtype):
    z = np.random.default_rng(0).normal(0, 3, (3, 5, 17)).astype(dtype)
    assert apply(name, z).tobytes() == apply(name, z, in_place=True).tobytes()
    assert slope(name, z).tobytes() == slope(name, z, in_place=True).tobytes()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_apply_leaves_z_as_it_is_where_out_is_another_buffer(name):
    z = np.linspace(-3, 3, 20)
    kept = z.copy()
    ACTIVATIONS[name].apply(z, np.empty(20), np.empty(20))
    np.testing.assert_array_equal(z, kept)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_can_die_says_whether_the_slope_is_zero_on_a_half_line(name):
    is_flat = bool((slope(name, -np.geomspace(0.1, 5, 50)) == 0).all())
    assert ACTIVATIONS[name].can_die == is_flat


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_initializer_is_an_entry(name):
    assert ACTIVATIONS[name].initializer in INITIALIZERS


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_stable_for_any_input(dtype):
    limits = np.finfo(dtype)
    z = np.array([-np.inf, limits.min, -745.2, 0, 745.2, limits.max, np.inf], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        sigmoid(z, z)
    np.testing.assert_array_equal(z, [0, 0, 0, 0.5, 1, 1, 1])


def test_sigmoid_is_symmetric():
    z = np.linspace(0, 30, 100)
    above, below = np.empty_like(z), np.empty_like(z)
    sigmoid(z, above)
    sigmoid(-z, below)
    np.testing.assert_array_equal(above + below, np.ones_like(z))
