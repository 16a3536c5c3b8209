import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainmlp.nn import batches as batches_module
from plainmlp.nn.batches import Batches, Examples, limit_epochs
from plainmlp.nn.orders import draw_orders


def numbered(n_samples, n_in=2, n_out=3, weighted=True, values=False):
    """Return examples whose inputs, targets and weights tell which sample they belong to."""
    numbers = np.arange(n_samples)
    inputs = np.stack([numbers + column / 10 for column in range(n_in)], axis=1)
    targets = np.stack([numbers + row / 10 for row in range(n_out)], axis=1) if values else numbers % n_out
    return Examples(inputs, targets, numbers + 0.5 if weighted else None)


def rows_of(block):
    """Return which samples a block holds, as (batch, model, sample)."""
    return np.array([np.floor(inputs[:, 0]) for inputs in block.inputs]).astype(int)


@given(
    st.integers(1, 50),
    st.sampled_from([1, 2, 7, 32, 100]),
    st.sampled_from([1, 100, 400, 1 << 19]),
    st.integers(1, 3),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_blocks_hold_each_sample_once_with_its_target_and_weight(n_samples, batch_size, block_bytes, n_models, values):
    orders = draw_orders([np.random.default_rng(i) for i in range(n_models)], n_samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "BLOCK_BYTES", block_bytes)
        batches = Batches(numbered(n_samples, values=values), 3, batch_size, n_models, n_models)
    for blocks, order in ((batches.shuffled(orders), orders), (batches.ordered(), np.arange(n_samples)[np.newaxis])):
        found, sizes = [], []
        for block in blocks:
            rows = rows_of(block)
            expected = rows + np.arange(3)[:, np.newaxis, np.newaxis, np.newaxis] / 10
            if not values:
                expected = np.arange(3)[:, np.newaxis, np.newaxis, np.newaxis] == rows % 3
            np.testing.assert_array_equal(block.targets, np.moveaxis(expected, 0, 2))
            np.testing.assert_array_equal(block.weights, rows + 0.5)
            found.extend(rows)
            sizes += [rows.shape[-1]] * len(block)
        np.testing.assert_array_equal(np.concatenate(found, axis=-1), order)
        np.testing.assert_array_equal(sizes, batches.sizes)
        assert len(sizes) == batches.steps


def test_the_last_batch_holds_what_is_left():
    batches = Batches(numbered(10), 3, 4, 1, 1)
    np.testing.assert_array_equal(batches.sizes, [4, 4, 2])


def test_a_batch_larger_than_the_data_holds_all_of_it():
    batches = Batches(numbered(10), 3, 10**30, 1, 1)
    np.testing.assert_array_equal(batches.sizes, [10])


@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 19])
@pytest.mark.parametrize("n_batches", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("n_samples", [12, 14])
def test_the_first_batches_are_those_of_the_whole_epoch(n_samples, n_batches, block_bytes, monkeypatch):
    monkeypatch.setattr(batches_module, "BLOCK_BYTES", block_bytes)
    order = draw_orders([np.random.default_rng(0)], n_samples)
    whole = Batches(numbered(n_samples), 3, 4, 1, 1)
    list(whole.ordered())  # an earlier epoch
    first = whole.first(n_batches)
    assert first.steps == min(n_batches, whole.steps) == len(first.sizes)
    for every, some in ((whole.ordered, first.ordered), (lambda: whole.shuffled(order), lambda: first.shuffled(order))):
        expected = [rows.tolist() for block in every() for rows in rows_of(block)]
        assert [rows.tolist() for block in some() for rows in rows_of(block)] == expected[:n_batches]


def test_steps_end_within_an_epoch_or_with_the_last():
    assert limit_epochs(10, 4, 5, None) == (5, 3)
    assert limit_epochs(10, 4, 5, 7) == (3, 1)
    assert limit_epochs(10, 4, 5, 6) == (2, 3)
    assert limit_epochs(10, 4, 5, 1) == (1, 1)
    assert limit_epochs(10, 4, 5, 100) == (5, 3)
    assert limit_epochs(10, 100, 5, 3) == (3, 1)


def test_factors_are_weights_over_batch_size():
    examples = numbered(5)
    for weighted in (True, False):
        part = examples if weighted else examples._replace(weights=None)
        factors = [np.asarray(f) for block in Batches(part, 3, 2, 1, 1).ordered() for f in block.factors()]
        expected = [[0.25, 0.75], [1.25, 1.75], [4.5]] if weighted else [0.5, 0.5, 1.0]
        for found, value in zip(factors, expected, strict=True):
            np.testing.assert_allclose(found.squeeze(), np.squeeze(value))


def test_ordered_blocks_are_views_of_the_inputs():
    examples = numbered(10)
    blocks = Batches(examples, 3, 4, 1, 1).ordered()
    assert all(np.shares_memory(inputs, examples.inputs) for block in blocks for inputs in block.inputs)


def test_many_batches_go_into_one_block_and_few_where_the_stack_is_large():
    n_blocks = [len(list(Batches(numbered(4096), 3, 16, 1, n_models).ordered())) for n_models in (1, 10**6)]
    assert n_blocks == [2, 256]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_class_indices_may_have_any_integer_dtype(dtype):
    examples = numbered(7)._replace(targets=np.array([0, 1, 2, 2, 1, 0, 1], dtype))
    (block,) = Batches(examples, 3, 7, 1, 1).ordered()
    np.testing.assert_array_equal(block.targets[0, 0], np.eye(3)[:, [0, 1, 2, 2, 1, 0, 1]])


@pytest.mark.parametrize("wrong", [-1, 3, 256])
def test_a_class_that_no_output_stands_for_is_refused(wrong):
    examples = numbered(3)._replace(targets=np.array([0, wrong, 2]))
    with pytest.raises(ValueError, match=f"class indices from .*{wrong}.* for 3 outputs"):
        Batches(examples, 3, 3, 1, 1)


def test_targets_and_weights_take_the_dtype_of_the_inputs():
    examples = numbered(6, values=True)
    examples = examples._replace(inputs=examples.inputs.astype(np.float32))
    for block in Batches(examples, 3, 4, 1, 1).ordered():
        assert block.targets.dtype == block.weights.dtype == np.float32


def test_orders_are_those_of_each_generator():
    orders = draw_orders([np.random.default_rng(1), np.random.default_rng(2)], 20)
    np.testing.assert_array_equal(orders[1], np.random.default_rng(2).permutation(20))
    np.testing.assert_array_equal(np.sort(orders), [np.arange(20)] * 2)


def test_one_and_the_same_generator_draws_one_order():
    shared, other = np.random.default_rng(1), np.random.default_rng(2)
    expected = np.random.default_rng(1).permutation(20)
    np.testing.assert_array_equal(draw_orders([shared, shared], 20), [expected])
    both = draw_orders([shared, other, shared], 20)
    assert both.shape == (3, 20)
    np.testing.assert_array_equal(both[0], both[2])
    np.testing.assert_array_equal(both[1], np.random.default_rng(2).permutation(20))


def test_inputs_are_gathered_a_few_batches_at_a_time(monkeypatch):
    monkeypatch.setattr(batches_module, "BLOCK_BYTES", 400)  # of float64: 50 values
    batches = Batches(numbered(40, n_in=20), 3, 2, 1, 1)
    (block, *_) = batches.shuffled(np.arange(40)[np.newaxis])
    assert len(block) == 8  # 6 values a batch of targets and 40 a batch of inputs
    first, second = (inputs.copy() for inputs, _ in zip(block.inputs, range(2), strict=False))
    np.testing.assert_array_equal(np.floor(first[0, 0]), [0, 1])
    np.testing.assert_array_equal(np.floor(second[0, 0]), [2, 3])
    assert max(buffer.nbytes for (name, _), buffer in batches._buffers.items() if name == "inputs") <= 400
