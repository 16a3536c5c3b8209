import numpy as np
import pytest

from networks import DTYPES
from plainmlp.nn.compiled.descent import evaluate_function
from plainmlp.nn.functions import FUNCTIONS


def same(found, expected):
    """Say whether all bits are equal but for those of what is not a number."""
    bits = f"u{found.dtype.itemsize}"
    return (found.view(bits) == expected.view(bits)) | (np.isnan(found) & np.isnan(expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_have_the_bits_of_their_definition(name, dtype):
    """For a million random patterns of bits, and as many numbers of a common size."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 256, (1_000_000, np.dtype(dtype).itemsize), np.uint8).view(dtype).reshape(-1)
    values = np.concatenate([patterns, generator.normal(0, 5, 1_000_000).astype(dtype)])
    with np.errstate(all="ignore"):
        expected = FUNCTIONS[name](values)
    agrees = same(evaluate_function(name, values), expected)
    assert agrees.all(), values[~agrees][:5]


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17])
def test_any_number_of_values(size):
    values = np.linspace(-2, 2, size)
    np.testing.assert_array_equal(evaluate_function("tanh", values), FUNCTIONS["tanh"](values))
