import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainmlp.nn import batches as batches_module
from plainmlp.nn.batches import Batches, Examples, batch_sizes, limit_epochs
from plainmlp.nn.randomness import draw_order


class Stored:
    """Inputs that are not in memory: they give rows by slices and by `numpy.take`."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype, self.most = rows, rows.shape, rows.dtype, 0

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, places):
        return self._given(self._rows[places])

    def take(self, indices, axis=None, out=None, mode="raise"):
        assert axis == 0
        return self._given(self._rows[indices])

    def _given(self, rows):
        self.most = max(self.most, len(rows))
        return rows


def numbered(n_samples, n_in=2, n_out=3, weighted=True, values=False, stored=False):
    """Return examples whose inputs, targets and weights tell which sample they belong to."""
    numbers = np.arange(n_samples)
    inputs = np.stack([numbers + column / 10 for column in range(n_in)], axis=1)
    targets = np.stack([numbers + row / 10 for row in range(n_out)], axis=1) if values else numbers % n_out
    return Examples(Stored(inputs) if stored else inputs, targets, numbers + 0.5 if weighted else None)


def samples_of(blocks, values=False):
    """Return which samples each batch holds, when targets and shares are those of the inputs."""
    found = []
    for block in blocks:
        assert block.rows.dtype == np.int64
        assert block.inputs.flags.c_contiguous
        for number in range(block.n_batches):
            inputs, targets, shares = block.batch(number)
            numbers = np.floor(inputs[0]).astype(int)
            np.testing.assert_array_equal(inputs, numbers + np.arange(len(inputs))[:, np.newaxis] / 10)
            expected = numbers + np.arange(3)[:, np.newaxis] / 10 if values else numbers % 3
            np.testing.assert_array_equal(targets, expected)
            np.testing.assert_array_equal(shares, numbers + 0.5 if len(block.weights) else np.ones(len(numbers)))
            found.append(numbers.tolist())
    return found


def cut(order, batch_size):
    return [order[start : start + batch_size].tolist() for start in range(0, len(order), batch_size)]


@given(
    st.integers(1, 50),
    st.sampled_from([1, 2, 7, 32, 100]),
    st.sampled_from([1, 100, 1 << 30]),
    *[st.booleans()] * 4,
)
@settings(max_examples=150, deadline=None)
def test_blocks_hold_each_sample_once_with_its_target_and_weight(
    n_samples, batch_size, block_work, values, weighted, shuffled, stored
):
    batch_size = min(batch_size, n_samples)
    order = draw_order(np.random.default_rng(0), n_samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "BLOCK_WORK", block_work)
        batches = Batches(numbered(n_samples, weighted=weighted, values=values, stored=stored), 3, batch_size, 10)
    expected = cut(order if shuffled else np.arange(n_samples), batch_size)
    assert batch_sizes(n_samples, batch_size).tolist() == [len(batch) for batch in expected]
    for n_batches in {1, (len(expected) + 1) // 2, len(expected)}:
        blocks = list(batches.blocks(n_batches, order if shuffled else None))
        assert samples_of(blocks, values) == expected[:n_batches]


@pytest.mark.parametrize(("n_samples", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (5, [4, 1])])
def test_the_last_batch_holds_what_is_left(n_samples, sizes):
    (block,) = Batches(numbered(n_samples), 3, 4, 1).blocks(len(sizes))
    assert [len(block.batch(number)[2]) for number in range(block.n_batches)] == sizes
    assert batch_sizes(n_samples, 4).tolist() == sizes


@pytest.mark.parametrize("shuffled", [True, False])
def test_stored_rows_are_as_good_as_rows_in_memory_and_read_a_few_at_a_time(shuffled, monkeypatch):
    monkeypatch.setattr(batches_module, "BLOCK_NUMBERS", 40)
    order = draw_order(np.random.default_rng(0), 30) if shuffled else None
    examples = numbered(30, n_in=4, stored=True)
    found = samples_of(Batches(examples, 3, 4, 1).blocks(8, order))
    assert found == samples_of(Batches(numbered(30, n_in=4), 3, 4, 1).blocks(8, order))
    assert examples.inputs.most == 8  # of 4 numbers each, in whole batches


def test_blocks_are_small_where_a_sample_costs_much_or_draws_much():
    def n_blocks(**costs):
        return len(list(Batches(numbered(4096), 3, 16, **costs).blocks(256)))

    assert n_blocks(row_work=1) == 1
    assert n_blocks(row_work=1 << 20) == 4
    assert n_blocks(row_work=1 << 40) == 256  # at least one batch
    assert n_blocks(row_work=1, row_draws=1 << 13) == 16


def test_inputs_in_memory_are_not_copied():
    examples = numbered(10)
    for order in (None, np.arange(10)):
        for block in Batches(examples, 3, 4, 1).blocks(3, order):
            assert np.shares_memory(block.inputs, examples.inputs)


@pytest.mark.parametrize("stored", [False, True])
def test_blocks_in_order_are_made_once_if_they_are_in_memory(stored):
    batches = Batches(numbered(10, stored=stored), 3, 4, 1)
    first, second = (list(batches.blocks(2)) for _ in range(2))
    assert all((one is other) is not stored for one, other in zip(first, second, strict=True))
    assert [len(block.rows) for block in batches.blocks(3)] == [10]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_class_indices_may_have_any_integer_dtype(dtype):
    classes = np.array([0, 1, 2, 2, 1, 0, 1], dtype)
    (block,) = Batches(numbered(7)._replace(targets=classes), 3, 7, 1).blocks(1)
    assert block.targets.dtype == np.int64
    np.testing.assert_array_equal(block.targets, [0, 1, 2, 2, 1, 0, 1])


@pytest.mark.parametrize("wrong", [-1, 3, 256])
def test_a_class_that_no_output_stands_for_is_refused(wrong):
    examples = numbered(3)._replace(targets=np.array([0, wrong, 2]))
    with pytest.raises(ValueError, match=f"class indices from .*{wrong}.* do not fit 3 outputs"):
        Batches(examples, 3, 3, 1)


def test_targets_and_weights_take_the_dtype_of_the_inputs():
    examples = numbered(6, values=True)
    examples = examples._replace(inputs=np.asfortranarray(examples.inputs, np.float32))
    for block in Batches(examples, 3, 4, 1).blocks(2):
        assert block.inputs.dtype == block.targets.dtype == block.weights.dtype == np.float32
        assert block.inputs.flags.c_contiguous


def test_steps_end_within_an_epoch_or_with_the_last():
    assert limit_epochs(10, 4, 5, None) == (5, 3, 3)
    assert limit_epochs(10, 4, 5, 7) == (3, 3, 1)
    assert limit_epochs(10, 4, 5, 6) == (2, 3, 3)
    assert limit_epochs(10, 4, 5, 1) == (1, 3, 1)
    assert limit_epochs(10, 4, 5, 100) == (5, 3, 3)
    assert limit_epochs(10, 100, 5, 3) == (3, 1, 1)
