from dataclasses import replace

import numpy as np
import pytest

from gradcheck import check_gradient
from nn.networks import make_architecture, make_examples, make_network, train
from plainmlp.nn.activations import ACTIVATIONS, SIGN_SIZE
from plainmlp.nn.gradient import DOT_WEIGHTS, ROW_BATCH, ROW_OUTPUTS, Gradient, weight_product
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe

SIZES = [(3, 4), (3, 5, 4), (3, 5, 6, 4)]
PLAIN = Recipe(optimizer="sgd", learning_rate=1.0)


def step(network, recipes, examples, parameters):
    """Return the costs at some parameters, and the gradients: what a step of rate 1 takes away."""
    moved = Network(network.architectures, parameters.copy())
    (epoch,) = train(moved, recipes, examples)
    return epoch.metrics["train_loss"], parameters - moved.parameters


def check_step(network, recipes, examples, seed=0):
    """Check the gradient of every model of a stack at once: their costs do not depend on each other."""
    _, gradients = step(network, recipes, examples, network.parameters)
    check_gradient(
        lambda parameters: step(network, recipes, examples, parameters)[0].sum(),
        gradients,
        network.parameters,
        np.random.default_rng(seed),
        n_directions=2,
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_whole_network(activation, loss):
    for n_hidden, sizes in enumerate(SIZES):
        for bias in (True, False):
            network = make_network(make_architecture(sizes, activation, loss, bias=bias), first_seed=n_hidden)
            examples = make_examples(loss, 6, 3, 4, seed=n_hidden, weighted=bias)
            check_step(network, [replace(PLAIN, l1=0.03 * bias, l2=0.2)], examples)


@pytest.mark.parametrize("loss", LOSSES)
def test_layers_of_different_activations_with_dropout(loss):
    """The same seed draws the same masks, so that the cost is a function of the parameters alone."""
    network = make_network(
        make_architecture((3, 9, 8, 7, 4), ("relu", "gelu", "sigmoid"), loss),
        make_architecture((3, 9, 8, 7, 4), ("silu", "tanh", "elu"), loss),
    )
    recipes = [replace(PLAIN, seed=1, dropout=0.4, l1=0.01), replace(PLAIN, seed=2, dropout=0.2)]
    check_step(network, recipes, make_examples(loss, 6, 3, 4, weighted=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_out", [2, ROW_OUTPUTS, 11])
@pytest.mark.parametrize(("n_batch", "n_in"), [(1, 4), (1, DOT_WEIGHTS), (5, 4), (ROW_BATCH, 4), (ROW_BATCH + 1, 4)])
def test_gradient_of_a_layer_is_the_sum_of_outer_products(n_batch, n_in, n_out, dtype):
    generator = np.random.default_rng(0)
    delta = generator.normal(size=(3, n_out, n_batch)).astype(dtype)
    for n_orders in (1, 3):
        inputs = generator.normal(size=(n_orders, n_batch, n_in)).astype(dtype).swapaxes(1, 2)
        gradient = np.full((3, n_out, n_in), np.nan, dtype)
        weight_product(delta, gradient)(inputs)
        expected = (delta[:, :, np.newaxis].astype(float) * inputs[:, np.newaxis]).sum(axis=-1)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("n_units", [3, SIGN_SIZE // 6 + 1])
def test_slope_of_relu_in_small_and_large_layers(n_units):
    z = np.tile([-2.0, -0.0, 0.0, 1e-300, 3.0, np.inf], (1, n_units, 1))
    delta, out, scratch = np.full_like(z, 5.0), np.empty_like(z), np.empty_like(z)
    ACTIVATIONS["relu"].apply(z, out, scratch)
    ACTIVATIONS["relu"].multiply_slope(delta, z, out, scratch)
    np.testing.assert_array_equal(delta, np.tile([0.0, 0, 0, 5, 5, 5], (1, n_units, 1)))


def test_the_check_notices_a_wrong_gradient():
    point = np.array([[1.0, 2.0, 3.0]])
    check_gradient(lambda p: (p**2).sum(), 2 * point, point, np.random.default_rng(0))
    for wrong in (2 * point * 1.001, -2 * point, 2 * point + [[0, 0, 0.01]]):
        with pytest.raises(AssertionError, match="numeric"):
            check_gradient(lambda p: (p**2).sum(), wrong, point, np.random.default_rng(0), n_directions=3)


def test_backward_leaves_parameters_and_inputs_alone():
    network = make_network(make_architecture((3, 5, 4), "gelu"))
    inputs = np.random.default_rng(0).normal(size=(1, 3, 6))
    before = network.parameters.copy(), inputs.copy()
    passes = Gradient(network, 6, gradients=np.full_like(network.parameters, np.nan))
    passes.forward(inputs, passes.z)
    passes.backward(inputs, np.eye(4)[:, [0, 1, 2, 3, 0, 1]][np.newaxis], 1 / 6, passes.z, passes.row)
    np.testing.assert_array_equal(network.parameters, before[0])
    np.testing.assert_array_equal(inputs, before[1])
    assert np.isfinite(passes.gradients).all()
