import math
from dataclasses import replace

import numpy as np
import pytest

from nn.networks import make_architecture, make_examples, make_network, train
from plainmlp.nn.batches import Examples
from plainmlp.nn.descent import Descent
from plainmlp.nn.network import Network
from plainmlp.nn.randomness import generator
from plainmlp.nn.recipe import Recipe

SGD = Recipe(optimizer="sgd", learning_rate=1.0)


def by_hand(parameters, samples, *, rate, l1, l2):
    """Do one step on a 2-2-2 network, sigmoid and softmax, in plain loops; return the cost before it."""
    w1, w2 = parameters[0:4], parameters[4:8]  # rows of units: w1[2 * unit + input]
    b1, b2 = parameters[8:10], parameters[10:12]
    gradient = [0.0] * 12
    cost = 0.0
    for x, true in samples:
        hidden = [1 / (1 + math.exp(-(w1[2 * j] * x[0] + w1[2 * j + 1] * x[1] + b1[j]))) for j in range(2)]
        z = [w2[2 * k] * hidden[0] + w2[2 * k + 1] * hidden[1] + b2[k] for k in range(2)]
        total = math.exp(z[0]) + math.exp(z[1])
        error = [math.exp(z[k]) / total - (k == true) for k in range(2)]
        cost -= math.log(math.exp(z[true]) / total) / len(samples)
        for k in range(2):
            gradient[10 + k] += error[k] / len(samples)
            for j in range(2):
                gradient[4 + 2 * k + j] += error[k] * hidden[j] / len(samples)
        for j in range(2):
            back = (error[0] * w2[j] + error[1] * w2[2 + j]) * hidden[j] * (1 - hidden[j])
            gradient[8 + j] += back / len(samples)
            for i in range(2):
                gradient[2 * j + i] += back * x[i] / len(samples)
    for i in range(8):
        cost += l1 * abs(parameters[i]) + l2 / 2 * parameters[i] ** 2
        gradient[i] += l1 * math.copysign(1, parameters[i]) + l2 * parameters[i]
    return cost, [p - rate * g for p, g in zip(parameters, gradient, strict=True)]


def test_an_epoch_worked_by_hand():
    """Three samples in batches of two: the mean over the batches counts the half-full one as much as the full one."""
    network = make_network(make_architecture((2, 2, 2), "sigmoid"))
    inputs, targets = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.9]]), np.array([0, 1, 1])
    recipe = Recipe(optimizer="sgd", learning_rate=0.5, l1=0.02, l2=0.3)
    parameters, costs = network.parameters[0].tolist(), []
    samples = list(zip(inputs.tolist(), targets.tolist(), strict=True))
    for batch in (samples[:2], samples[2:]):
        cost, parameters = by_hand(parameters, batch, rate=0.5, l1=0.02, l2=0.3)
        costs.append(cost)
    (epoch,) = train(network, [recipe], Examples(inputs, targets), batch_size=2, shuffle=False)
    np.testing.assert_allclose(network.parameters[0], parameters, rtol=1e-14)
    np.testing.assert_allclose(epoch.metrics["train_loss"], [sum(costs) / 2], rtol=1e-14)


def single_steps(network, examples, order):
    """Train with one sample after another, each a training of its own."""
    for i in order:
        train(network, [replace(SGD, learning_rate=0.1)], Examples(examples.inputs[[i]], examples.targets[[i]]))


def test_order_is_that_of_the_data_without_shuffling():
    examples = make_examples("cross_entropy", 6, 2, 3)
    network, expected = (make_network(make_architecture((2, 4, 3))) for _ in range(2))
    train(network, [replace(SGD, learning_rate=0.1)], examples, epochs=2, batch_size=1, shuffle=False)
    single_steps(expected, examples, [*range(6), *range(6)])
    np.testing.assert_allclose(network.parameters, expected.parameters, rtol=1e-14)


def test_each_epoch_has_a_new_order_from_the_shuffle_stream():
    examples = make_examples("cross_entropy", 6, 2, 3)
    network, expected = (make_network(make_architecture((2, 4, 3))) for _ in range(2))
    train(network, [replace(SGD, learning_rate=0.1, seed=3)], examples, epochs=2, batch_size=1)
    stream = generator(3, "shuffle")
    single_steps(expected, examples, [*stream.permutation(6), *stream.permutation(6)])
    np.testing.assert_allclose(network.parameters, expected.parameters, rtol=1e-14)


def last_gradient(network, recipe, examples, **options):
    """Return the epoch, and the gradient that its only step took away."""
    before = network.parameters.copy()
    (epoch,) = train(network, [recipe], examples, **options)
    return epoch, before - network.parameters


def test_gradient_norm_is_that_of_the_gradient_with_penalties_before_clipping():
    examples = make_examples("cross_entropy", 9, 2, 3)
    for clip_norm in (math.inf, 0.01):
        recipe = replace(SGD, l1=0.1, l2=0.2)
        _, gradient = last_gradient(make_network(make_architecture((2, 4, 3))), recipe, examples)
        clipped = replace(recipe, clip_norm=clip_norm)
        epoch, _ = last_gradient(make_network(make_architecture((2, 4, 3))), clipped, examples)
        np.testing.assert_allclose(epoch.metrics["gradient_norm"], [np.linalg.norm(gradient)], rtol=1e-13)


def test_gradient_norm_is_that_of_the_last_update():
    examples = make_examples("cross_entropy", 9, 2, 3)
    network = make_network(make_architecture((2, 4, 3)))
    first = Examples(examples.inputs[:6], examples.targets[:6])
    train(network, [SGD], first, batch_size=6)
    last = Examples(examples.inputs[6:], examples.targets[6:])
    expected, _ = last_gradient(network, SGD, last)
    (epoch,) = train(make_network(make_architecture((2, 4, 3))), [SGD], examples, batch_size=6, shuffle=False)
    np.testing.assert_allclose(epoch.metrics["gradient_norm"], expected.metrics["gradient_norm"], rtol=1e-13)


@pytest.mark.parametrize("share", [0.3, 0.99, 1.01, 5])
def test_clipping_keeps_the_direction_and_shortens_only_long_gradients(share):
    examples = make_examples("cross_entropy", 9, 2, 3)
    _, gradient = last_gradient(make_network(make_architecture((2, 4, 3))), SGD, examples)
    clip_norm = share * float(np.linalg.norm(gradient))
    _, clipped = last_gradient(make_network(make_architecture((2, 4, 3))), replace(SGD, clip_norm=clip_norm), examples)
    np.testing.assert_allclose(clipped, min(share, 1) * gradient, rtol=1e-9, atol=1e-15)


def test_a_gradient_of_zero_is_not_clipped_to_nan():
    network = Network([make_architecture((2, 3), loss="squared_error")], np.zeros((1, 9)))
    examples = Examples(np.ones((4, 2)), np.zeros((4, 3)))
    (epoch,) = train(network, [replace(SGD, clip_norm=1.0)], examples)
    assert epoch.metrics["gradient_norm"] == [0]
    assert not network.parameters.any()


def test_a_stack_of_several_optimizers_or_too_few_recipes_is_refused():
    network = make_network(*[make_architecture((2, 3))] * 2)
    for recipes in ([SGD, Recipe(optimizer="adam")], [SGD]):
        with pytest.raises(ValueError, match="one optimizer"):
            Descent(network, recipes)
