import math
from pathlib import Path

import numpy as np
import pytest

from plainmlp.nn.optimizers import OPTIMIZERS, Buffers
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
# for each name the options of a model, other than the defaults
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
    """An optimiser at work on parameters of shape (n_models, n_parameters), the first N_WEIGHTS being weights."""

    def __init__(self, name, parameters, options):
        self.optimizer = OPTIMIZERS[name]
        rows = [fill_options(self.optimizer.options, given) for given in options]
        self.settings = {key: np.array([[row[key]] for row in rows], float) for key in self.optimizer.options}
        slots = tuple(np.zeros_like(parameters) for _ in range(self.optimizer.n_slots))
        product, scratch = np.ones((len(parameters), 1)), np.full_like(parameters, np.nan)
        self.buffers = Buffers(
            parameters, parameters[:, :N_WEIGHTS], np.empty_like(parameters), slots, scratch, product
        )
        self.steps = 0

    def coefficients(self, n_steps, learning_rates):
        steps = np.arange(self.steps + 1.0, self.steps + n_steps + 1).reshape(-1, 1, 1)
        settings = {**self.settings, "learning_rate": np.array(learning_rates)[:, np.newaxis]}
        self.steps += n_steps
        columns = list(zip(*self.optimizer.coefficients(settings, steps, self.buffers.product), strict=True))
        return [(settings["learning_rate"], step) for step in columns or [()] * n_steps]

    def update(self, gradients, step):
        learning_rate, columns = step
        self.buffers.gradients[...] = gradients * learning_rate if self.optimizer.takes_steps else gradients
        self.optimizer.update(self.buffers, *columns)
        return self.buffers.parameters


def random_case(n_models, n_steps):
    generator = np.random.default_rng(8)
    return generator.normal(size=(n_models, 5)), generator.normal(size=(n_steps, n_models, 5))


def test_every_optimizer_has_a_reference():
    assert set(REFERENCES) == set(OPTIMIZERS) == set(OTHER_OPTIONS)


@pytest.mark.parametrize("blocks", [[3], [1, 1, 1], [2, 1]])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_first_steps_are_those_of_the_paper(name, blocks):
    """Settings differ from model to model, and the steps come in blocks of several sizes."""
    start, gradients = random_case(2, 3)
    options, learning_rates = [{}, OTHER_OPTIONS[name]], [0.01, 0.3]
    updates = Updates(name, start.copy(), options)
    columns = [step for n_steps in blocks for step in updates.coefficients(n_steps, learning_rates)]
    found = np.array([updates.update(g, step).copy() for g, step in zip(gradients, columns, strict=True)])
    for model in range(2):
        filled = fill_options(OPTIMIZERS[name].options, options[model])
        for i in range(5):
            reference = REFERENCES[name](
                start[model, i], gradients[:, model, i], learning_rates[model], i < N_WEIGHTS, **filled
            )
            np.testing.assert_allclose(found[:, model, i], list(reference), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_coefficients_do_not_depend_on_the_block(name, size):
    slow = {"beta1": 0.99, "momentum_decay": 50.0} if name == "nadam" else {}  # a running product that stays near 1
    at_once, in_blocks = (Updates(name, np.zeros((2, 5)), [slow, OTHER_OPTIONS[name]]) for _ in range(2))
    whole = [np.array(step) for _, step in at_once.coefficients(42, [0.01, 0.3])]
    parts = [np.array(step) for _ in range(42 // size) for _, step in in_blocks.coefficients(size, [0.01, 0.3])]
    assert np.array(whole).tobytes() == np.array(parts).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_reaches_the_minimum_of_a_parabola(name, dtype):
    target, curvature = np.array([1.0, -2.0, 0.5, 3.0, 0.0], dtype), np.array([1, 4, 0.5, 2, 1], dtype)
    options = {"weight_decay": 0.0} if name == "adamw" else {}
    updates = Updates(name, np.zeros((1, 5), dtype), [options])
    n_steps, learning_rate = 2000, {"adagrad": 0.5, "sgd": 0.1}.get(name, 0.02)
    rates = np.geomspace(1, 0.01, n_steps) * learning_rate
    for rate in rates:
        (columns,) = updates.coefficients(1, [rate])
        learning_rate, numbers = columns
        columns = learning_rate, [column.astype(dtype) for column in numbers]
        found = updates.update(curvature * (updates.buffers.parameters - target), columns)
    assert found.dtype == dtype
    np.testing.assert_allclose(found[0], target, atol=2e-3)


def test_adamw_decays_weights_and_not_biases():
    updates = Updates("adamw", np.full((2, 5), 2.0), [{"weight_decay": 0.5}, {"weight_decay": 0.0}])
    (columns,) = updates.coefficients(1, [0.1, 0.1])
    found = updates.update(np.zeros((2, 5)), columns)
    np.testing.assert_allclose(found, [[1.9] * 3 + [2.0] * 2, [2.0] * 5], rtol=1e-15)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_gradient_no_step(name):
    updates = Updates(name, np.ones((1, 5)), [{"weight_decay": 0.0} if name == "adamw" else {}])
    for columns in updates.coefficients(3, [0.1]):
        found = updates.update(np.zeros((1, 5)), columns)
    np.testing.assert_array_equal(found, np.ones((1, 5)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_there_is_a_configuration_file(name):
    folder = Path(__file__).resolve().parents[2] / "conf" / "optimizer"
    assert (folder / f"{name}.yaml").is_file()
