import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import TypeAdapter
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from plainmlp.config.schema import Choice
from plainmlp.data.scaling import ROWS_AT_ONCE, SCALINGS, Scaling, fit_scaling
from plainmlp.system.errors import InputError

VALUES = np.random.default_rng(0).normal(100, 3, size=(2 * ROWS_AT_ONCE + 7, 3))
TABLES = arrays.arrays(np.float64, (5, 2), elements=st.floats(-1e6, 1e6))


@pytest.mark.parametrize("name", SCALINGS)
@given(values=TABLES)
def test_what_is_scaled_can_be_restored(name, values):
    scaling = fit_scaling(Choice(name=name), values)
    np.testing.assert_allclose(scaling.invert(scaling.apply(values, np.float64)), values, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_stay_and_the_type_is_as_asked(name, dtype):
    before = VALUES.copy()
    scaling = fit_scaling(Choice(name=name), VALUES)
    assert scaling.apply(VALUES, dtype).dtype == dtype
    np.testing.assert_array_equal(VALUES, before)
    assert scaling.invert(VALUES.astype(dtype)).dtype == np.float64


@pytest.mark.parametrize("name", SCALINGS)
def test_a_constant_column_has_a_usable_scale(name):
    scaling = fit_scaling(Choice(name=name), np.full((4, 1), 3.0))
    assert np.isfinite(scaling.apply(np.array([[3.0], [4.0]]), np.float64)).all()
    if name in {"standard", "minmax"}:
        assert scaling.scale.tolist() == [1.0]


@pytest.mark.parametrize("name", SCALINGS)
@given(values=TABLES)
def test_the_way_through_json_changes_no_bit(name, values):
    scaling = fit_scaling(Choice(name=name), values)
    adapter = TypeAdapter(Scaling)
    again = adapter.validate_python(json.loads(json.dumps(adapter.dump_python(scaling))))
    np.testing.assert_array_equal(again.offset, scaling.offset, strict=True)
    np.testing.assert_array_equal(again.scale, scaling.scale, strict=True)


@pytest.mark.parametrize(("name", "oracle"), [("standard", StandardScaler()), ("minmax", MinMaxScaler())])
def test_the_numbers_are_those_of_scikit_learn(name, oracle):
    scaled = fit_scaling(Choice(name=name), VALUES).apply(VALUES, np.float64)
    np.testing.assert_allclose(scaled, oracle.fit_transform(VALUES), rtol=1e-12, atol=1e-12)


def test_numbers_far_from_zero_keep_their_digits_in_float32():
    values = 1e9 + np.array([[0.0], [1.0], [2.0], [3.0]])
    scaled = fit_scaling(Choice(name="minmax"), values).apply(values, np.float32)
    np.testing.assert_array_equal(scaled, np.array([[0], [1], [2], [3]], np.float32) / np.float32(3))


@pytest.mark.parametrize("divisor", [255.0, 3, 7.0])
def test_pixels_are_divided_as_float32_divides(divisor):
    pixels = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    scaled = fit_scaling(Choice(name="divisor", divisor=divisor), pixels).apply(pixels, np.float32)
    np.testing.assert_array_equal(scaled, pixels.astype(np.float32) / np.float32(divisor), strict=True)


def test_nothing_is_scaled_by_none():
    np.testing.assert_array_equal(fit_scaling(Choice(name="none"), VALUES).apply(VALUES, np.float64), VALUES)


@pytest.mark.parametrize("name", ["standard", "minmax"])
def test_numbers_without_a_finite_spread_are_refused(name):
    with pytest.raises(InputError, match=f"scaling '{name}': the numbers in column 2 are too large"):
        fit_scaling(Choice(name=name), np.array([[1, -1.7e308], [2, 1.7e308]]))


@pytest.mark.parametrize("name", SCALINGS)
def test_a_table_of_categories_alone_has_nothing_to_scale(name):
    assert fit_scaling(Choice(name=name), np.empty((3, 0))).apply(np.empty((3, 0)), np.float32).shape == (3, 0)
