import math

import numpy as np
import pytest

from nn.networks import draw_parameters, make_architecture, make_examples, make_network
from plainmlp.nn import network as network_module
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture, view_layers
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network


def plain_outputs(network, model, x):
    """Return the outputs for one sample, by the textbook's formula on plain numbers."""
    architecture = network.architectures[model]
    for layer, weights in enumerate(network.layers.weights):
        biases = network.layers.biases[layer][model, :, 0] if network.layers.biases else [0] * weights.shape[1]
        z = [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(weights[model], biases, strict=True)]
        name = architecture.activations[layer] if layer < len(architecture.activations) else "identity"
        x = np.empty(len(z))
        ACTIVATIONS[name].apply(np.array(z), x, np.empty(len(z)))
    if architecture.loss == "cross_entropy":
        total = sum(math.exp(v) for v in x)
        return [math.exp(v) / total for v in x]
    return [1 / (1 + math.exp(-v)) for v in x] if architecture.loss == "binary_cross_entropy" else list(x)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(3, 4), (3, 5, 4), (3, 1, 6, 4)])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "huber"])
def test_outputs_are_those_of_the_plain_formula(loss, sizes, bias):
    names = ("tanh", "gelu")[: len(sizes) - 2], ("relu", "tanh")[: len(sizes) - 2]
    network = make_network(*(make_architecture(sizes, n, loss, bias=bias) for n in names))
    inputs = make_examples(loss, 7, 3, 4).inputs
    found = network.outputs(inputs)
    assert found.shape == (2, 7, 4)
    for model in range(2):
        expected = [plain_outputs(network, model, x) for x in inputs]
        np.testing.assert_allclose(found[model], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n_samples", [0, 1, 9, 10, 11, 25])
def test_outputs_of_more_samples_than_one_pass_holds(n_samples, monkeypatch):
    network = make_network(make_architecture((3, 5, 4)))
    inputs = make_examples("cross_entropy", n_samples, 3, 4).inputs
    at_once = network.outputs(inputs)
    monkeypatch.setattr(network_module, "inference_rows", lambda network: 10)
    np.testing.assert_allclose(network.outputs(inputs), at_once, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", LOSSES)
def test_outputs_keep_the_dtype_and_the_parameters(loss, dtype):
    network = make_network(make_architecture((3, 5, 4), loss=loss), dtype=dtype)
    before = network.parameters.copy()
    assert network.outputs(make_examples(loss, 6, 3, 4, dtype=dtype).inputs).dtype == dtype
    assert network.parameters.tobytes() == before.tobytes()


def test_probabilities_sum_to_one():
    network = make_network(make_architecture((3, 5, 4)))
    sums = network.outputs(make_examples("cross_entropy", 50, 3, 4).inputs).sum(axis=2)
    np.testing.assert_allclose(sums, np.ones((1, 50)), rtol=1e-14)


def test_layout_of_the_buffer():
    """All weights layer by layer, row by row; then all biases."""
    architecture = Architecture((2, 3, 1), ("relu",), "squared_error")
    buffer = np.arange(2 * 13).reshape(2, 13)
    layers = view_layers(buffer, architecture)
    np.testing.assert_array_equal(layers.weights[0][0], [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(layers.weights[1][1], [[19, 20, 21]])
    np.testing.assert_array_equal(layers.biases[0][0], [[9], [10], [11]])
    np.testing.assert_array_equal(layers.biases[1], [[[12]], [[25]]])
    assert all(np.shares_memory(view, buffer) for view in (*layers.weights, *layers.biases))


@pytest.mark.parametrize(
    ("sizes", "bias", "n_weights", "n_parameters"),
    [((2, 3, 1), True, 9, 13), ((2, 3, 1), False, 9, 9), ((4, 5), True, 20, 25), ((1, 1, 1, 1), True, 3, 6)],
)
def test_counts(sizes, bias, n_weights, n_parameters):
    architecture = make_architecture(sizes, bias=bias)
    assert (architecture.n_weights, architecture.n_parameters) == (n_weights, n_parameters)
    layers = view_layers(np.zeros((1, n_parameters)), architecture)
    assert sum(w.size for w in layers.weights) == n_weights
    assert len(layers.biases) == (len(sizes) - 1 if bias else 0)


def test_segments_are_the_runs_of_one_activation():
    names = ["relu", "relu", "tanh", "relu"]
    network = make_network(*(make_architecture((2, 3, 3, 2), ("gelu", name)) for name in names))
    assert [s.rows for s in network.segments(0)] == [slice(0, 4)]
    assert [s.rows for s in network.segments(1)] == [slice(0, 2), slice(2, 3), slice(3, 4)]
    assert [s.activation for s in network.segments(1)] == [ACTIVATIONS[n] for n in ("relu", "tanh", "relu")]


def test_take_copies():
    network = make_network(*(make_architecture((2, 3, 2), name) for name in ("relu", "tanh", "gelu")))
    taken = network.take([2, 0])
    assert [a.activations for a in taken.architectures] == [("gelu",), ("relu",)]
    np.testing.assert_array_equal(taken.parameters, network.parameters[[2, 0]])
    assert not np.shares_memory(taken.parameters, network.parameters)


@pytest.mark.parametrize(
    "other",
    [
        make_architecture((2, 4, 2)),
        make_architecture((2, 3, 2), loss="squared_error"),
        make_architecture((2, 3, 2), bias=False),
        make_architecture((2, 3, 2), loss_options=(("threshold", 1.0),)),
    ],
)
def test_models_of_other_shapes_are_refused(other):
    first = make_architecture((2, 3, 2))
    with pytest.raises(ValueError, match="one shape"):
        Network([first, other], np.zeros((2, first.n_parameters)))


def test_parameters_of_another_shape_are_refused():
    architecture = make_architecture((2, 3, 2))
    parameters = draw_parameters(architecture, 0)
    for wrong in (parameters[:, :-1], parameters[0], np.concatenate([parameters, parameters])):
        with pytest.raises(ValueError, match="do not fit"):
            Network([architecture], wrong)
