import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from plainmlp.sweeps.ranking.statistics import holm, paired_p_value, summarize

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def by_seed(values):
    return {str(seed): value for seed, value in enumerate(values)}


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


@given(st.integers(0, 1000), st.integers(2, 7))
def test_paired_test_is_that_of_scipy_over_common_seeds(seed, n):
    a, b = np.random.default_rng(seed).normal(0.9, 0.02, (2, n))
    expected = ttest_rel(a, b).pvalue
    first, second = {**by_seed(a), "only here": 0.1}, {"only there": 0.2, **dict(reversed(by_seed(b).items()))}
    assert paired_p_value(first, second) == float(f"{expected:.10g}") or abs(expected) < 1e-9


def test_what_scipy_says_is_rounded_to_ten_digits():
    assert paired_p_value(by_seed([0.9, 0.7, 0.8]), by_seed([0.8, 0.75, 0.7])) == 0.4226497308  # exact: 1 - 1 / sqrt(3)
    low, high = summarize([0.0, 2.0]).interval
    assert (high - low) / 2 == 12.70620474  # 12.706204736...


@given(st.floats(1e-300, 1e300))
def test_paired_test_depends_on_no_unit(unit):
    first, second = ([unit * value for value in values] for values in ([0.5, 0.25, 1.0], [0.75, 0.5, 1.0]))
    assert paired_p_value(by_seed(first), by_seed(second)) == pytest.approx(0.1835034191, rel=1e-9)


@pytest.mark.parametrize("second", [{}, {"1": 0.5}, {"1": 0.5, "7": 0.5, "8": 0.5}])
def test_fewer_than_two_common_seeds_cannot_be_compared(second):
    assert paired_p_value({"0": 0.9, "1": 0.8}, second) is None


def test_differences_without_spread_are_told_apart_unless_they_are_nothing():
    assert paired_p_value(by_seed([0.9, 0.8, 0.7]), by_seed([0.9, 0.8, 0.7])) == 1
    assert paired_p_value(by_seed([0.9, 0.8, 0.7]), by_seed([0.8, 0.7, 0.6])) == 0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.001, 0.9, 0.4, 0.02]) == pytest.approx([0.004, 0.9, 0.8, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    assert [a for _, a in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)
