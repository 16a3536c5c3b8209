import math

import numpy as np
import pytest

from networks import DTYPES, SGD, draw_parameters, make_architecture, make_descent, make_examples
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Batch, Network

FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])


def textbook_outputs(architecture, parameters, x):
    """Return the outputs for one sample, by the textbook's formula on plain numbers."""
    layers = view_layers(parameters, architecture)
    for layer, weights in enumerate(layers.weights):
        biases = layers.biases[layer] if layers.biases else [0] * weights.shape[1]
        z = [
            sum(w * v for w, v in zip(column, x, strict=True)) + b for column, b in zip(weights.T, biases, strict=True)
        ]
        is_hidden = layer < len(architecture.activations)
        x = ACTIVATIONS[architecture.activations[layer]].function(np.array(z)) if is_hidden else z
    if architecture.loss == "cross_entropy":
        total = sum(math.exp(v) for v in x)
        return [math.exp(v) / total for v in x]
    return [1 / (1 + math.exp(-v)) for v in x] if architecture.loss == "binary_cross_entropy" else list(x)


@FORMS
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(3, 4), (3, 5, 4), (3, 1, 6, 4)])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "huber"])
def test_outputs_are_those_of_the_textbook(loss, sizes, bias, compiled):
    architecture = make_architecture(sizes, ("tanh", "gelu")[: len(sizes) - 2], loss, bias=bias)
    parameters, inputs = draw_parameters(architecture), make_examples(loss, 7, 3, 4).inputs
    found = make_descent(architecture, SGD, parameters, compiled=compiled).outputs(inputs)
    expected = [textbook_outputs(architecture, parameters, x) for x in inputs]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@FORMS
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_keep_the_dtype_and_the_parameters(loss, dtype, compiled):
    architecture = make_architecture((3, 5, 4), loss=loss)
    descent = make_descent(architecture, SGD, draw_parameters(architecture, 0, dtype), compiled=compiled)
    before = descent.parameters.tobytes()
    assert descent.outputs(make_examples(loss, 6, 3, 4, dtype=dtype).inputs).dtype == dtype
    assert descent.parameters.tobytes() == before


@FORMS
def test_probabilities_sum_to_one(compiled):
    architecture = make_architecture((3, 5, 4))
    descent = make_descent(architecture, SGD, draw_parameters(architecture), compiled=compiled)
    sums = descent.outputs(make_examples("cross_entropy", 300, 3, 4).inputs).sum(axis=1)
    np.testing.assert_allclose(sums, np.ones(300), rtol=1e-14)


def test_masks_multiply_what_the_next_layer_reads():
    """Hidden units of 1 and 2 are kept twofold or left out; the slope and what is alive see them whole."""
    architecture = make_architecture((1, 2, 1), "identity", "squared_error", bias=False)
    network = Network(architecture, np.array([1.0, 2.0, 10.0, 100.0]))
    masks = [np.array([[2.0, 0.0], [0.0, 2.0]])]
    (hidden,), z = network.forward(np.ones((1, 2)), masks)
    np.testing.assert_array_equal(hidden.output, [[1, 1], [2, 2]])
    np.testing.assert_array_equal(hidden.kept, [[2, 0], [0, 4]])
    np.testing.assert_array_equal(z, [[20, 400]])
    batch = Batch(np.ones((1, 2)), np.array([[19.0, 398.0]]), np.array([1.0, 0.5]), masks)
    gradient, cost, score = network.differentiate(batch, np.float64(0.5))
    # errors 1 and 2, times shares and 1/2: 0.5 and 0.5
    np.testing.assert_array_equal(gradient, [0.5 * 10 * 2, 0.5 * 100 * 2, 0.5 * 2, 0.5 * 4])
    assert (cost, score) == (0.5 + 0.5 * 2, 1 + 4)


def test_differentiating_leaves_parameters_and_batch_alone():
    architecture = make_architecture((3, 5, 4), "gelu")
    network = Network(architecture, draw_parameters(architecture))
    examples = make_examples("cross_entropy", 6, 3, 4)
    batch = Batch(examples.inputs.T.copy(), examples.targets, np.ones(6))
    before = [part.tobytes() for part in (network.parameters, *batch[:3])]
    assert np.isfinite(network.differentiate(batch, np.float64(1)).gradient).all()
    assert before == [part.tobytes() for part in (network.parameters, *batch[:3])]


def test_layout_of_the_buffer():
    """All weights layer by layer, those of an input side by side; then all biases."""
    architecture = Architecture((2, 3, 1), ("relu",), "squared_error")
    buffer = np.arange(13)
    layers = view_layers(buffer, architecture)
    np.testing.assert_array_equal(layers.weights[0], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(layers.weights[1], [[6], [7], [8]])
    np.testing.assert_array_equal(layers.biases[0], [9, 10, 11])
    np.testing.assert_array_equal(layers.biases[1], [12])
    assert all(np.shares_memory(view, buffer) for view in (*layers.weights, *layers.biases))


@pytest.mark.parametrize(
    ("sizes", "bias", "n_weights", "n_parameters"),
    [((2, 3, 1), True, 9, 13), ((2, 3, 1), False, 9, 9), ((4, 5), True, 20, 25), ((1, 1, 1, 1), True, 3, 6)],
)
def test_counts(sizes, bias, n_weights, n_parameters):
    architecture = make_architecture(sizes, bias=bias)
    assert (architecture.n_weights, architecture.n_parameters) == (n_weights, n_parameters)
    layers = view_layers(np.zeros(n_parameters), architecture)
    assert sum(w.size for w in layers.weights) == n_weights
    assert [w.shape for w in layers.weights] == architecture.shapes
    assert len(layers.biases) == (len(sizes) - 1 if bias else 0)
