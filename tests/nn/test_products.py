"""Sums in the order that is written down, against loops over single numbers."""

import numpy as np
import pytest

from networks import DTYPES
from plainmlp.nn.products import BLOCK, LANES, add_in_pairs, block_sum, blocks, correlate, total, weigh

SIZES = [1, 2, 15, 16, 17, 31, 33, 100, 255, 256]


def draw(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def in_order(terms):
    """Return the sum of some numbers, one after another from +0 on."""
    result = 0 * terms[0]
    for term in terms:
        result = result + term
    return result


def in_lanes(terms):
    """Return the sum of some numbers in 16 lanes, whose halves are added then."""
    lanes = [in_order([0 * terms[0], *terms[lane::16]]) for lane in range(16)]
    for half in (8, 4, 2, 1):
        lanes = [lanes[i] + lanes[i + half] for i in range(half)]
    return lanes[0]


def halved(sums):
    """Return the sum of some blocks: of the largest power of two of them that is first, and of the rest."""
    if len(sums) == 1:
        return sums[0]
    first = 1 << (len(sums) - 1).bit_length() - 1
    return halved(sums[:first]) + halved(sums[first:])


def assert_same_bits(found, expected, dtype):
    assert found.dtype == dtype
    assert found.tobytes() == np.array(expected, dtype).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n_in", "n_out", "n_samples"), [(1, 1, 1), (5, 3, 4), (40, 2, 17), (0, 2, 3)])
def test_units_are_summed_in_order(n_in, n_out, n_samples, dtype):
    weights, inputs = draw((n_in, n_out), dtype), draw((n_in, n_samples), dtype, 1)
    expected = [
        [in_order([dtype(0), *(weights[i, o] * inputs[i, j] for i in range(n_in))]) for j in range(n_samples)]
        for o in range(n_out)
    ]
    assert_same_bits(weigh(weights, inputs), expected, dtype)
    turned = np.ascontiguousarray(weights.T)
    assert_same_bits(weigh(turned.T, inputs), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SIZES)
@pytest.mark.parametrize(("n_out", "order"), [(1, in_lanes), (15, in_lanes), (16, in_order), (17, in_order)])
def test_weights_of_few_outputs_are_summed_in_lanes_and_others_in_order(n_out, order, n_samples, dtype):
    inputs, errors = draw((2, n_samples), dtype), draw((n_out, n_samples), dtype, 1)
    expected = [[order(list(inputs[i] * errors[o])) for o in range(n_out)] for i in range(2)]
    assert_same_bits(correlate(inputs, errors), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SIZES)
def test_a_block_is_summed_in_lanes(n_samples, dtype):
    values = draw((3, n_samples), dtype)
    assert_same_bits(block_sum(values), [in_lanes(list(row)) for row in values], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_blocks", range(1, 41))
def test_blocks_are_added_in_pairs(n_blocks, dtype):
    sums = list(draw(n_blocks, dtype) * dtype(10) ** draw(n_blocks, dtype, 1))
    assert_same_bits(add_in_pairs(sums), halved(sums), dtype)
    vectors = list(draw((n_blocks, 3), dtype))
    assert_same_bits(add_in_pairs(vectors), halved(vectors), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [*SIZES, 257, 600, 2561])
def test_a_total_is_that_of_blocks_of_256(size, dtype):
    values = draw(size, dtype)
    parts = [in_lanes(list(values[start : start + 256])) for start in range(0, size, 256)]
    assert_same_bits(total(values), halved(parts), dtype)


def test_the_sizes_are_those_that_results_were_made_with():
    assert (BLOCK, LANES) == (256, 16)
    assert [(part.start, part.stop) for part in blocks(600)] == [(0, 256), (256, 512), (512, 600)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_samples", SIZES)
def test_zeros_change_no_bit(n_samples, dtype):
    """Behind the samples, and among the inputs, wherever they are; their sign does not count."""
    inputs, weights, errors = draw((5, n_samples), dtype), draw((5, 17), dtype, 1), draw((17, n_samples), dtype, 2)
    pad = [(0, 0), (0, -n_samples % BLOCK)]
    for sign in (1, -1):
        zeros = sign * np.zeros(1, dtype)[0]
        padded = [np.pad(array, pad, constant_values=zeros) for array in (inputs, errors)]
        for n_out in (3, 17):
            found = correlate(padded[0], padded[1][:n_out])
            assert found.tobytes() == correlate(inputs, errors[:n_out]).tobytes()
        assert block_sum(padded[1]).tobytes() == block_sum(errors).tobytes()
        wide_inputs, wide_weights = (
            np.insert(inputs, [0, 2, 5], zeros, axis=0),
            np.insert(weights, [0, 2, 5], 3, axis=0),
        )
        assert weigh(wide_weights, wide_inputs).tobytes() == weigh(weights, inputs).tobytes()
    assert np.copysign(1, weigh(weights[:0], inputs[:0])).min() == 1
    assert np.copysign(1, block_sum(np.full((1, 3), dtype(-0.0)))) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_sample_does_not_depend_on_those_beside_it(dtype):
    weights, inputs = draw((20, 7), dtype), draw((20, 256), dtype, 1)
    whole = weigh(weights, inputs)
    for samples in (slice(0, 1), slice(3, 20), slice(200, 256)):
        assert weigh(weights, inputs[:, samples]).tobytes() == whole[:, samples].tobytes()


def root_mean_square_error(found, exact):
    return float(np.sqrt(np.mean((found - exact) ** 2)))


# Of positive numbers, so that nothing cancels. Measured: 1.0, 1.0 and 2.8 times over units, 0.6 times over samples.
@pytest.mark.parametrize(("depth", "multiple"), [(64, 2), (256, 2), (1024, 6)])
def test_errors_over_units_are_a_small_multiple_of_those_of_a_blas(depth, multiple):
    weights, inputs = np.abs(draw((depth, 40), np.float32)), np.abs(draw((depth, 50), np.float32, 1))
    exact = weights.T.astype(float) @ inputs.astype(float)
    ours, blas = (root_mean_square_error(found, exact) for found in (weigh(weights, inputs), weights.T @ inputs))
    assert ours <= multiple * blas


@pytest.mark.parametrize("n_out", [10, 30])
def test_errors_over_samples_are_a_small_multiple_of_those_of_a_blas(n_out):
    inputs, errors = np.abs(draw((20, 4096), np.float32)), np.abs(draw((n_out, 4096), np.float32, 1))
    exact = inputs.astype(float) @ errors.T.astype(float)
    ours = add_in_pairs(correlate(inputs[:, part], errors[:, part]) for part in blocks(4096))
    found = root_mean_square_error(ours, exact), root_mean_square_error(inputs @ errors.T, exact)
    assert found[0] <= 1.5 * found[1]
