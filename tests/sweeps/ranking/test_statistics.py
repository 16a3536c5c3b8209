import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainmlp.sweeps.ranking.statistics import summarize

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_summary_by_hand():
    summary = summarize([0.90, 0.94, 0.95])
    assert (summary.n, summary.mean) == (3, pytest.approx(0.93))
    assert summary.standard_deviation == pytest.approx(np.sqrt(0.0014 / 2))
    half = 4.302653 * np.sqrt(0.0014 / 2) / np.sqrt(3)  # the 97.5 % point of Student's t with two degrees of freedom
    assert summary.interval == pytest.approx((0.93 - half, 0.93 + half))


def test_one_value_has_no_spread():
    summary = summarize([0.5])
    assert (summary.n, summary.mean, summary.standard_deviation, summary.interval) == (1, 0.5, None, None)


@given(SCORES, st.randoms())
def test_order_changes_no_bit_of_a_summary(values, random):
    shuffled = random.sample(values, len(values))
    assert summarize(shuffled) == summarize(values)


def test_what_scipy_says_is_rounded_to_ten_digits():
    low, high = summarize([0.0, 2.0]).interval
    assert (high - low) / 2 == 12.70620474  # 12.706204736...


@pytest.mark.parametrize(
    ("metric", "values", "interval"),
    [
        ("validation_accuracy", [0.9, 1.0, 1.0], (None, 1.0)),
        ("validation_accuracy", [0.0, 0.1, 0.0], (0.0, None)),
        ("test_r2", [0.9, 1.0, 1.0], (None, 1.0)),
        ("validation_mean_squared_error", [0.0, 0.1, 0.0], (0.0, None)),
    ],
)
def test_an_interval_ends_where_the_metric_does(metric, values, interval):
    free, cut = summarize(values).interval, summarize(values, metric).interval
    assert cut == tuple(end if bound is None else bound for end, bound in zip(free, interval, strict=True))


def test_seeds_that_agree_say_too_little_for_an_interval():
    summary = summarize([0.9, 0.9, 0.9])
    assert (summary.n, summary.standard_deviation, summary.interval) == (3, 0.0, None)
