import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import check_gradient
from plainmlp.nn.losses import LOSSES, Marks, default_loss

THRESHOLD = 0.7
OPTIONS = {"huber": {"threshold": THRESHOLD}}
LN2, LN3 = math.log(2), math.log(3)


def compute(name, z, targets, scale=1.0, options=None):
    """Return error, costs and scores as training computes them."""
    options = OPTIONS.get(name, {}) if options is None else options
    z, delta = z.copy(), np.full_like(z, np.nan)
    row = np.full_like(z[..., :1, :], np.nan)
    marks = Marks(np.full_like(z, np.nan), *(np.full_like(z[..., 0, :], np.nan) for _ in range(2)))
    LOSSES[name].error(z, targets, delta, row, **options)
    LOSSES[name].mark(z, targets, row, scale, marks, **options)
    return delta, marks.costs, marks.scores


def evaluate(name, z, targets):
    return compute(name, z, targets)[:2]


def link(name, z):
    z = z.copy()
    LOSSES[name].link(z, np.full_like(z[..., :1, :], np.nan))
    return z


def score(name, z, targets, scale=1.0):
    return compute(name, z, targets, scale)[2]


def column(*values):
    return np.array(values, dtype=float)[:, np.newaxis]


def draw(name, shape, generator):
    """Return z away from kinks, and targets of the loss's kind."""
    z = generator.normal(0, 2, shape)
    if name == "cross_entropy":
        targets = np.moveaxis(np.eye(shape[-2])[generator.integers(0, shape[-2], (*shape[:-2], shape[-1]))], -1, -2)
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
    for z, targets, value, error in WORKED[name]:
        delta, values = evaluate(name, column(*z), column(*targets))
        np.testing.assert_allclose(values, [value], rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(delta, column(*error), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", LOSSES)
def test_error_is_the_gradient_of_the_value(name):
    generator = np.random.default_rng(3)
    z, targets = draw(name, (2, 4, 5), generator)
    delta, _ = evaluate(name, z, targets)
    check_gradient(lambda at: evaluate(name, at, targets)[1].sum(), delta, z, generator, n_directions=5, tolerance=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_finite_at_extremes_and_keeps_the_dtype(name, dtype):
    z = np.array([[-1e4, 1e4, -1e4, 1e4, 0], [1e4, -1e4, -1e4, 1e4, 0]], dtype)
    targets = np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        results = (*evaluate(name, z, targets), link(name, z))
        scores = score(name, z, targets)
    for result in results:
        assert result.dtype == dtype
        assert np.isfinite(result).all()
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_value_of_a_wrong_certainty_grows_with_it(name):
    _, value = evaluate(name, column(1e4, -1e4), column(0, 1))
    assert value == 2e4


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_link_belong_together(name):
    """The value is the textbook's formula of what the link puts out."""
    z, targets = draw(name, (3, 4, 6), np.random.default_rng(4))
    out, distance = link(name, z), np.abs(link(name, z) - targets)
    textbook = {
        "cross_entropy": lambda: -targets * np.log(out),
        "binary_cross_entropy": lambda: -targets * np.log(out) - (1 - targets) * np.log1p(-out),
        "squared_error": lambda: distance**2 / 2,
        "absolute_error": lambda: distance,
        "huber": lambda: np.where(distance <= THRESHOLD, distance**2 / 2, THRESHOLD * (distance - THRESHOLD / 2)),
        "relu_squared_error": lambda: distance**2 / 2,
    }
    np.testing.assert_allclose(evaluate(name, z, targets)[1], textbook[name]().sum(axis=-2), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_rows_sum_to_one(dtype):
    z = np.random.default_rng(1).normal(0, 50, (3, 12, 40)).astype(dtype)
    out = link("cross_entropy", z)
    np.testing.assert_allclose(out.sum(axis=-2), np.ones((3, 40)), rtol=4 * np.finfo(dtype).eps * 12)
    assert (out >= 0).all()


def test_softmax_does_not_change_with_a_shift():
    z = np.random.default_rng(1).normal(size=(3, 12, 40))
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
        targets = np.zeros((3, 3))
        targets[true] = 1
        np.testing.assert_array_equal(score("cross_entropy", z, targets), expected)


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_accuracy_is_that_of_argmax(n_out, n_batch, seed):
    generator = np.random.default_rng(seed)
    z = generator.integers(-2, 3, (2, n_out, n_batch)).astype(float)  # whole numbers: ties are frequent
    classes = generator.integers(0, n_out, n_batch)
    targets = np.eye(n_out)[:, classes][np.newaxis]
    np.testing.assert_array_equal(score("cross_entropy", z, targets), z.argmax(axis=1) == classes)


def test_accuracy_of_a_network_that_broke_down_is_no_success():
    for targets in (column(1, 0), column(0, 1)):
        assert score("cross_entropy", column(np.nan, np.nan), targets) == [False]


def test_ties_count_beside_a_network_that_broke_down():
    """Each tie adds an output that is not below the largest, each NaN takes some away: they must not cancel."""
    z = np.array([[[0.0], [0.0]], [[np.nan], [np.nan]]])
    np.testing.assert_array_equal(score("cross_entropy", z, column(0, 1)[np.newaxis]), [[0], [0]])


def test_multilabel_accuracy_asks_for_every_output():
    z = np.array([[0.1, 0.1, -1.0], [-3.0, 3.0, -1.0]])
    targets = np.array([[1.0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(score("binary_cross_entropy", z, targets), [1, 0, 1])


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.metric == "mean_squared_error"])
def test_squared_difference_has_the_units_of_the_targets(name):
    z, targets, scale = column(1.0, 2.0), column(0.5, 4.0), column(10.0, 3.0)
    np.testing.assert_allclose(score(name, z, targets, scale), [(5.0**2 + 6.0**2) / 2])
    np.testing.assert_allclose(score(name, z, targets), [(0.25 + 4) / 2])


def test_score_of_a_relu_output_is_that_of_what_it_puts_out():
    np.testing.assert_array_equal(score("relu_squared_error", column(-5.0), column(2.0)), [4.0])


@pytest.mark.parametrize("name", LOSSES)
def test_can_die_says_whether_the_error_is_zero_below_zero(name):
    delta, _ = evaluate(name, column(-3, -2), column(0, 1))
    assert LOSSES[name].can_die == (not delta.any())


def test_default_loss_is_the_usual_one_of_a_task():
    assert default_loss("classification") == "cross_entropy"
    assert default_loss("multilabel") == "binary_cross_entropy"
    assert default_loss("regression") == "squared_error"


@pytest.mark.parametrize("name", LOSSES)
def test_options_have_defaults_that_the_loss_takes(name):
    z, targets = draw(name, (2, 3), np.random.default_rng(0))
    defaults = {key: option.default for key, option in LOSSES[name].options.items()}
    for result in compute(name, z, targets, options=defaults):
        assert np.isfinite(result).all()
