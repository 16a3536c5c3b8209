import numpy as np
import pytest

from nn.networks import make_architecture, make_network
from plainmlp.nn.network import INFERENCE_ROWS, Network
from plainmlp.nn.vitality import DeadUnits


def shares(network, inputs):
    return DeadUnits(network, inputs).share().tolist()


def relu_network(biases, loss="squared_error"):
    """Return a network 1-4-2 whose hidden units see x plus their bias."""
    network = Network([make_architecture((1, 4, 2), "relu", loss)], np.zeros((1, 4 + 8 + 4 + 2)))
    network.layers.weights[0][...] = 1
    network.layers.biases[0][0, :, 0] = biases
    return network


def test_counts_the_units_that_are_zero_for_every_sample():
    inputs = np.array([[0.0], [1.0], [2.0]])
    # x + b > 0 for some x of 0, 1, 2 where b > -2
    assert shares(relu_network([0, -1.9, -2.0, -5]), inputs) == [0.5]
    assert shares(relu_network([0, 0, 0, 0]), inputs) == [0.0]
    assert shares(relu_network([-9, -9, -9, -9]), inputs) == [1.0]


def test_output_units_count_where_their_link_can_die():
    network = relu_network([0, -1.9, -2.0, -5], "relu_squared_error")
    network.layers.biases[1][0, :, 0] = [-1, 1]
    assert shares(network, np.array([[0.0], [2.0]])) == [(2 + 1) / (4 + 2)]


def test_output_units_count_without_hidden_layers():
    network = Network([make_architecture((1, 2), loss="relu_squared_error")], np.array([[0.0, 0.0, -1.0, 1.0]]))
    assert shares(network, np.array([[3.0]])) == [0.5]


@pytest.mark.parametrize("activation", ["tanh", "gelu", "leaky_relu"])
def test_no_unit_is_dead_where_none_can_be(activation):
    network = make_network(make_architecture((2, 5, 2), activation))
    network.parameters[...] = -3
    assert shares(network, np.ones((4, 2))) == [0.0]


def test_only_layers_that_can_die_count_in_a_stack_of_several_activations():
    names = [("relu", "tanh"), ("tanh", "tanh"), ("tanh", "relu")]
    network = make_network(*(make_architecture((1, 4, 2, 3), n) for n in names))
    network.parameters[...] = 0
    network.layers.biases[0][0, :, 0] = [1, -1, -1, -1]
    network.layers.biases[1][2, :, 0] = [1, -1]
    assert shares(network, np.ones((5, 1))) == [0.75, 0.0, 0.5]


def test_the_first_samples_are_shown():
    inputs = np.full((INFERENCE_ROWS + 1, 1), -1.0)
    inputs[-1] = 100
    assert shares(relu_network([0, 0, 0, 0]), inputs) == [1.0]
    inputs[-2] = 100
    assert shares(relu_network([0, 0, 0, 0]), inputs) == [0.0]
