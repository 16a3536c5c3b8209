"""The gradient of a whole network by central differences, in the plain form; the compiled form has the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from gradcheck import check_gradient
from networks import SGD, draw_parameters, gradient_of, make_architecture, make_examples
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.losses import LOSSES

SIZES = [(3, 4), (3, 5, 4), (3, 17, 6, 4), (3, 5, 18)]  # gradients of wide layers are summed in another order


def check(architecture, recipe, examples, draws=None, seed=0):
    def cost(parameters):
        return gradient_of(architecture, examples, parameters, recipe, draws)[0]

    parameters = draw_parameters(architecture, seed)
    _, gradient = gradient_of(architecture, examples, parameters, recipe, draws)
    check_gradient(cost, gradient, parameters, np.random.default_rng(seed), n_directions=2)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_loss(activation, loss):
    for n_hidden, sizes in enumerate(SIZES):
        for bias in (True, False):
            architecture = make_architecture(sizes, activation, loss, bias=bias)
            examples = make_examples(loss, 6, 3, sizes[-1], seed=n_hidden, weighted=bias)
            check(architecture, replace(SGD, l1=0.03 * bias, l2=0.2), examples, seed=n_hidden)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activations", [("relu", "gelu", "sigmoid"), ("silu", "tanh", "elu")])
def test_layers_of_different_activations_with_dropout(activations, loss):
    """The masks are the same at each point, so that the cost is a function of the parameters alone."""
    architecture = make_architecture((3, 9, 18, 7, 4), activations, loss)
    draws = np.random.default_rng(2).random((1, 9 + 18 + 7, 300))
    recipe, examples = replace(SGD, dropout=0.4, l1=0.01), make_examples(loss, 300, 3, 4, weighted=True)
    check(architecture, recipe, examples, draws)


def test_inputs_that_are_zero_throughout_have_no_gradient():
    architecture = make_architecture((4, 5, 3))
    examples = make_examples("cross_entropy", 6, 4, 3)
    examples.inputs[:, [0, 2]] = 0
    check(architecture, SGD, examples)
    _, gradient = gradient_of(architecture, examples, draw_parameters(architecture))
    rows = gradient[:20].reshape(4, 5)
    assert not rows[[0, 2]].any()
    assert rows[[1, 3]].all()


def test_the_check_notices_a_wrong_gradient():
    point = np.array([1.0, 2.0, 3.0])
    check_gradient(lambda p: (p**2).sum(), 2 * point, point, np.random.default_rng(0))
    for wrong in (2 * point * 1.001, -2 * point, 2 * point + [0, 0, 0.01]):
        with pytest.raises(AssertionError, match="numeric"):
            check_gradient(lambda p: (p**2).sum(), wrong, point, np.random.default_rng(0), n_directions=3)
