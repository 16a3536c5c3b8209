import math

import numpy as np
import pytest

from entries import known
from networks import DTYPES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import fill_options

# Each reference is the rule as its paper writes it, for one parameter, on plain numbers: an iterator of parameters.


def sgd(p, gradients, lr, is_weight):
    for g in gradients:
        p = p - lr * g
        yield p


def momentum(p, gradients, lr, is_weight, momentum):
    velocity = 0.0
    for g in gradients:
        velocity = momentum * velocity + g
        p = p - lr * velocity
        yield p


def nesterov(p, gradients, lr, is_weight, momentum):
    velocity = 0.0
    for g in gradients:
        velocity = momentum * velocity + g
        p = p - lr * (momentum * velocity + g)
        yield p


def adagrad(p, gradients, lr, is_weight, epsilon):
    total = 0.0
    for g in gradients:
        total += g * g
        p = p - lr * g / (math.sqrt(total) + epsilon)
        yield p


def rmsprop(p, gradients, lr, is_weight, decay, epsilon):
    mean_square = 0.0
    for g in gradients:
        mean_square = decay * mean_square + (1 - decay) * g * g
        p = p - lr * g / (math.sqrt(mean_square) + epsilon)
        yield p


def adam(p, gradients, lr, is_weight, beta1, beta2, epsilon, weight_decay=0.0):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        decayed = lr * weight_decay * p if is_weight else 0.0
        p = p - lr * m_hat / (math.sqrt(v_hat) + epsilon) - decayed
        yield p


def nadam(p, gradients, lr, is_weight, beta1, beta2, epsilon, momentum_decay):
    m, v, product = 0.0, 0.0, 1.0
    for t, g in enumerate(gradients, start=1):
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
        product *= mu
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        p = p - lr * m_hat / (math.sqrt(v / (1 - beta2**t)) + epsilon)
        yield p


REFERENCES_PLACE, OPTIONS_PLACE = (
    f"{table} in tests/nn/test_optimizers.py" for table in ("REFERENCES", "OTHER_OPTIONS")
)
REFERENCES = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adam,
    "nadam": nadam,
}
# for each name options other than the defaults
OTHER_OPTIONS = {
    "sgd": {},
    "momentum": {"momentum": 0.5},
    "nesterov": {"momentum": 0.5},
    "adagrad": {"epsilon": 0.3},
    "rmsprop": {"decay": 0.4, "epsilon": 0.3},
    "adam": {"beta1": 0.3, "beta2": 0.6, "epsilon": 0.2},
    "adamw": {"beta1": 0.3, "beta2": 0.6, "epsilon": 0.2, "weight_decay": 0.7},
    "nadam": {"beta1": 0.3, "beta2": 0.6, "epsilon": 0.2, "momentum_decay": 2.5},
}
N_WEIGHTS = 3


class Updates:
    """An optimiser at work on parameters, the first N_WEIGHTS of which are weights."""

    def __init__(self, name, parameters, options):
        self.optimizer, self.parameters = OPTIMIZERS[name], parameters
        self.settings = fill_options(self.optimizer.options, options)
        self.slots = tuple(np.zeros_like(parameters) for _ in range(self.optimizer.n_slots))
        self.steps, self.product = 0, 1.0

    def coefficients(self, n_steps, learning_rate):
        """Return a row of coefficients for each of the next steps."""
        steps = np.arange(self.steps + 1.0, self.steps + n_steps + 1)
        settings = {**self.settings, "learning_rate": learning_rate}
        columns, self.product = self.optimizer.coefficients(settings, steps, self.product)
        self.steps += n_steps
        return np.column_stack([np.broadcast_to(column, n_steps) for column in columns])

    def update(self, gradients, row):
        row = row.astype(self.parameters.dtype)
        if self.optimizer.decays_weights:
            *row, kept = row
            self.parameters[:N_WEIGHTS] *= kept
        self.parameters, *self.slots = self.optimizer.update(self.parameters, gradients, *self.slots, *row)
        return self.parameters


@pytest.mark.parametrize("blocks", [[3], [1, 1, 1], [2, 1]])
@pytest.mark.parametrize(("given", "learning_rate"), [(False, 0.01), (True, 0.3)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_first_steps_are_those_of_the_paper(name, given, learning_rate, blocks):
    generator = np.random.default_rng(8)
    start, gradients = generator.normal(size=5), generator.normal(size=(3, 5))
    options = known(OTHER_OPTIONS, name, OPTIONS_PLACE) if given else {}
    updates = Updates(name, start.copy(), options)
    rows = np.concatenate([updates.coefficients(n_steps, learning_rate) for n_steps in blocks])
    found = np.array([updates.update(g, row).copy() for g, row in zip(gradients, rows, strict=True)])
    filled = fill_options(OPTIMIZERS[name].options, options)
    for i in range(5):
        reference = known(REFERENCES, name, REFERENCES_PLACE)(
            start[i], gradients[:, i], learning_rate, i < N_WEIGHTS, **filled
        )
        np.testing.assert_allclose(found[:, i], list(reference), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_coefficients_do_not_depend_on_the_block(name, given, size):
    slow = {"beta1": 0.99, "momentum_decay": 50.0} if name == "nadam" else {}  # a running product that stays near 1
    at_once, in_blocks = (
        Updates(name, np.zeros(5), known(OTHER_OPTIONS, name, OPTIONS_PLACE) if given else slow) for _ in range(2)
    )
    whole = at_once.coefficients(42, 0.01)
    parts = np.concatenate([in_blocks.coefficients(size, 0.01) for _ in range(42 // size)])
    assert whole.tobytes() == parts.tobytes()
    assert at_once.product == in_blocks.product


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reaches_the_minimum_of_a_parabola(name, dtype):
    target, curvature = np.array([1.0, -2.0, 0.5, 3.0, 0.0], dtype), np.array([1, 4, 0.5, 2, 1], dtype)
    updates = Updates(name, np.zeros(5, dtype), {"weight_decay": 0.0} if name == "adamw" else {})
    n_steps, learning_rate = 2000, {"adagrad": 0.5, "sgd": 0.1}.get(name, 0.02)
    for rate in np.geomspace(1, 0.01, n_steps) * learning_rate:
        (row,) = updates.coefficients(1, rate)
        found = updates.update(curvature * (updates.parameters - target), row)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, target, atol=2e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_gradient_no_step(name):
    updates = Updates(name, np.ones(5), {"weight_decay": 0.0} if name == "adamw" else {})
    for row in updates.coefficients(3, 0.1):
        np.testing.assert_array_equal(updates.update(np.zeros(5), row), np.ones(5))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_many_steps_have_finite_coefficients(name):
    updates = Updates(name, np.zeros(5, np.float32), {})
    updates.steps = 10**9
    assert np.isfinite(updates.coefficients(3, 0.001)).all()
