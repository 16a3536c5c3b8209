import numpy as np
import pytest

from plainmlp.nn.randomness import draw_order, generator, row_numbers


def test_a_stream_is_the_same_on_every_day():
    """Frozen: other numbers here mean that no earlier result can be repeated."""
    assert generator(0, "shuffle").integers(0, 1000, 5).tolist() == [911, 479, 38, 468, 286]
    assert generator(12, "initial weights").integers(0, 1000, 5).tolist() == [887, 809, 962, 673, 229]


@pytest.mark.parametrize("other", [(0, "dropout"), (1, "shuffle"), (0, "shuffle "), (2**32, "shuffle")])
def test_seed_and_purpose_both_count(other):
    first, second = generator(0, "shuffle").random(100), generator(*other).random(100)
    assert not np.isin(first, second).any()


def test_generators_do_not_share_their_state():
    first, second = generator(0, "shuffle"), generator(0, "shuffle")
    first.random(10)
    assert second.random() == generator(0, "shuffle").random()


def test_an_order_is_a_permutation_of_the_stream():
    order = draw_order(generator(3, "shuffle"), 20)
    np.testing.assert_array_equal(order, generator(3, "shuffle").permutation(20))
    assert order.dtype == np.int64


def test_many_rows_have_short_numbers_in_the_same_order():
    assert row_numbers(2**20 - 1).dtype == np.int64
    order = draw_order(generator(0, "shuffle"), 2**20)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, generator(0, "shuffle").permutation(2**20))
