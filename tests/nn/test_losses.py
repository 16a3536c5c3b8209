import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entries import known
from gradcheck import check_gradient
from networks import DTYPES
from plainmlp.nn.losses import LOSSES, assess, default_loss, link, recorded_metrics

THRESHOLD = 0.7
LN2, LN3 = math.log(2), math.log(3)


def evaluate(name, z, targets, scale=1.0, threshold=THRESHOLD):
    """Return error, costs and scores; targets of the cross-entropy may be written as ones among zeros."""
    if name == "cross_entropy" and targets.ndim == 2:
        targets = targets.argmax(axis=0)
    return assess(name, z, targets, z.dtype.type(threshold), np.broadcast_to(np.asarray(scale, z.dtype), len(z)))


def score(name, z, targets, scale=1.0):
    return evaluate(name, z, targets, scale).scores


def column(*values):
    return np.array(values, dtype=float)[:, np.newaxis]


def draw(name, shape, generator):
    """Return z away from kinks, and targets of the loss's kind."""
    z = generator.normal(0, 2, shape)
    if name == "cross_entropy":
        targets = np.eye(shape[0])[:, generator.integers(0, shape[0], shape[1])]
    elif LOSSES[name].metric == "accuracy":
        targets = generator.integers(0, 2, shape).astype(float)
    else:
        targets = generator.normal(0, 2, shape)
    return z, targets


# (z, targets, value, error), worked by hand; a column is one sample
WORKED = {
    "cross_entropy": [
        ((0, LN2, LN3), (0, 1, 0), LN3, (1 / 6, 1 / 3 - 1, 1 / 2)),
        ((5.0, 5.0), (1, 0), LN2, (-0.5, 0.5)),
        ((4.0,), (1,), 0.0, (0.0,)),
    ],
    "binary_cross_entropy": [
        ((LN3, -LN3), (1, 1), math.log(4 / 3) + math.log(4), (-0.25, -0.75)),
        ((0.0,), (0,), LN2, (0.5,)),
    ],
    "squared_error": [((3.0, -1.0), (1.0, 1.0), (4 + 4) / 2, (2, -2))],
    "absolute_error": [((3.0, -1.0), (1.0, 1.5), 2 + 2.5, (1, -1))],
    "huber": [((0.5, -3.0), (0.0, 0.0), 0.125 + 0.7 * (3 - 0.35), (0.5, -0.7))],
    "relu_squared_error": [((3.0, -1.0), (1.0, 2.0), (4 + 4) / 2, (2, 0))],
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_errors_worked_by_hand(name):
    for z, targets, value, error in known(WORKED, name, "WORKED in tests/nn/test_losses.py"):
        delta, values, _ = evaluate(name, column(*z), column(*targets))
        np.testing.assert_allclose(values, [value], rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(delta, column(*error), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_error_is_the_gradient_of_the_value(name):
    generator = np.random.default_rng(3)
    z, targets = draw(name, (4, 5), generator)
    delta = evaluate(name, z, targets).error
    check_gradient(
        lambda at: evaluate(name, at, targets).costs.sum(), delta, z, generator, n_directions=5, tolerance=1e-8
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_finite_at_extremes_and_keeps_the_dtype(name, dtype):
    z = np.array([[-1e4, 1e4, -1e4, 1e4, 0], [1e4, -1e4, -1e4, 1e4, 0]], dtype)
    targets = np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype)
    for result in (*evaluate(name, z, targets), link(name, z)):
        assert result.dtype == dtype
        assert np.isfinite(result).all()


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_value_of_a_wrong_certainty_grows_with_it(name):
    assert evaluate(name, column(1e4, -1e4), column(0, 1)).costs == 2e4


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_link_belong_together(name):
    """The value is the textbook's formula of what the link puts out."""
    z, targets = draw(name, (4, 6), np.random.default_rng(4))
    out, distance = link(name, z), np.abs(link(name, z) - targets)
    textbook = {
        "cross_entropy": lambda: -targets * np.log(out),
        "binary_cross_entropy": lambda: -targets * np.log(out) - (1 - targets) * np.log1p(-out),
        "squared_error": lambda: distance**2 / 2,
        "absolute_error": lambda: distance,
        "huber": lambda: np.where(distance <= THRESHOLD, distance**2 / 2, THRESHOLD * (distance - THRESHOLD / 2)),
        "relu_squared_error": lambda: distance**2 / 2,
    }
    formula = known(textbook, name, "`textbook` in tests/nn/test_losses.py")
    np.testing.assert_allclose(evaluate(name, z, targets).costs, formula().sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_rows_sum_to_one(dtype):
    z = np.random.default_rng(1).normal(0, 50, (12, 40)).astype(dtype)
    out = link("cross_entropy", z)
    np.testing.assert_allclose(out.sum(axis=0), np.ones(40), rtol=4 * np.finfo(dtype).eps * 12)
    assert (out >= 0).all()


def test_softmax_does_not_change_with_a_shift():
    z = np.random.default_rng(1).normal(size=(12, 40))
    np.testing.assert_allclose(link("cross_entropy", z + 700), link("cross_entropy", z), rtol=1e-11)


def test_links_worked_by_hand():
    np.testing.assert_allclose(link("cross_entropy", column(0, LN2, LN3)), column(1 / 6, 1 / 3, 1 / 2), rtol=1e-14)
    np.testing.assert_allclose(link("binary_cross_entropy", column(0, LN3)), column(0.5, 0.75), rtol=1e-14)
    np.testing.assert_array_equal(link("relu_squared_error", column(-2, 3)), column(0, 3))
    for name in ("squared_error", "absolute_error", "huber"):
        np.testing.assert_array_equal(link(name, column(-2, 3)), column(-2, 3))


def test_accuracy_takes_the_first_of_equal_outputs():
    z = np.array([[1.0, 1, 0], [1, 1, 2], [0, 1, 2]])  # a column is a sample: ties between 0 and 1, all, 1 and 2
    for true, expected in ((0, [1, 1, 0]), (1, [0, 0, 1]), (2, [0, 0, 0])):
        np.testing.assert_array_equal(score("cross_entropy", z, np.full(3, true)), expected)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_accuracy_is_that_of_argmax(n_out, n_batch, seed):
    generator = np.random.default_rng(seed)
    z = generator.integers(-2, 3, (n_out, n_batch)).astype(float)  # whole numbers: ties are frequent
    classes = generator.integers(0, n_out, n_batch)
    np.testing.assert_array_equal(score("cross_entropy", z, classes), z.argmax(axis=0) == classes)


def test_accuracy_of_a_network_that_broke_down_is_no_success():
    for true in (0, 1):
        assert score("cross_entropy", column(np.nan, np.nan), np.array([true])) == [0]


def test_multilabel_accuracy_asks_for_every_output():
    z = np.array([[0.1, 0.1, -1.0], [-3.0, 3.0, -1.0]])
    targets = np.array([[1.0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(score("binary_cross_entropy", z, targets), [1, 0, 1])


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.metric == "mean_squared_error"])
def test_squared_difference_has_the_units_of_the_targets(name):
    z, targets, scale = column(1.0, 2.0), column(0.5, 4.0), (10.0, 3.0)
    np.testing.assert_allclose(score(name, z, targets, scale), [(5.0**2 + 6.0**2) / 2])
    np.testing.assert_allclose(score(name, z, targets), [(0.25 + 4) / 2])


def test_score_of_a_relu_output_is_that_of_what_it_puts_out():
    np.testing.assert_array_equal(score("relu_squared_error", column(-5.0), column(2.0)), [4.0])


@pytest.mark.parametrize("name", LOSSES)
def test_can_die_says_whether_the_error_is_zero_below_zero(name):
    delta = evaluate(name, column(-3, -2), column(0, 1)).error
    assert LOSSES[name].can_die == (not delta.any())


def test_default_loss_is_the_usual_one_of_a_task():
    assert default_loss("classification") == "cross_entropy"
    assert default_loss("multilabel") == "binary_cross_entropy"
    assert default_loss("regression") == "squared_error"


@pytest.mark.parametrize("threshold", [0.25, 1.0, 3.0])
def test_huber_is_quadratic_up_to_its_threshold_and_linear_beyond(threshold):
    z = np.array([[0.5, 1, 1.5, -0.5, -1, -1.5, 0]]) * threshold
    error, costs, _ = evaluate("huber", z, np.zeros_like(z), threshold=threshold)
    np.testing.assert_allclose(error[0], np.array([0.5, 1, 1, -0.5, -1, -1, 0]) * threshold, rtol=1e-15)
    np.testing.assert_allclose(costs, np.array([0.125, 0.5, 1, 0.125, 0.5, 1, 0]) * threshold**2, rtol=1e-15)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "huber"])
def test_other_losses_do_not_look_at_the_threshold(name):
    z, targets = draw(name, (3, 4), np.random.default_rng(0))
    for one, other in zip(*(evaluate(name, z, targets, threshold=value) for value in (0.1, 5)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_slope_where_an_absolute_error_is_zero():
    np.testing.assert_array_equal(evaluate("absolute_error", column(1, 2), column(1, 3)).error, column(0, -1))


@pytest.mark.parametrize("name", LOSSES)
def test_recorded_metrics(name):
    metric = LOSSES[name].metric
    always = {"train_loss", f"train_{metric}", "gradient_norm", "dead_units"}
    assert set(recorded_metrics(name, has_validation=False)) == always
    assert set(recorded_metrics(name)) == always | {"validation_loss", f"validation_{metric}"}


def test_thresholds_themselves_count_as_below():
    """A sum of 0 says no, a label of 0.5 means no, and a unit at the kink does not learn."""
    np.testing.assert_array_equal(
        score("binary_cross_entropy", np.array([[0.0, 0.0, 1.0]]), np.array([[0, 1, 0.5]])), [1, 0, 0]
    )
    assert evaluate("relu_squared_error", column(0.0), column(1.0)).error == 0
