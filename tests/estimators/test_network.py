"""The network as an object."""

import pickle

import numpy as np
import pytest

from plainmlp import MLP, Architecture, Examples, Recipe
from plainmlp.nn.initializers import draw_parameters
from plainmlp.nn.losses import softmax

ARCHITECTURE = Architecture((2, 8, 3), ("tanh",), "cross_entropy")
INPUTS = np.random.default_rng(0).random((60, 2), np.float32)
EXAMPLES = Examples(INPUTS, (INPUTS[:, 0] * 3).astype(int))


def trained(network: MLP, epochs: int, **given) -> MLP:
    for _ in network.train(EXAMPLES, epochs=epochs, batch_size=16, **given):
        pass
    return network


def test_first_parameters_come_from_the_seed():
    network = MLP(ARCHITECTURE, Recipe(seed=3))
    assert (network.parameters == draw_parameters(ARCHITECTURE, 3).astype(np.float32)).all()
    zeros = MLP(ARCHITECTURE, initializer="uniform", initializer_options={"low": 0.0, "high": 0.0}, dtype="float64")
    assert not zeros.parameters.any()
    assert zeros.parameters.dtype == np.float64


def test_a_training_in_pieces_is_one_training():
    recipe = Recipe(schedule="cosine", dropout=0.2)
    whole, pieces = trained(MLP(ARCHITECTURE, recipe), 6), MLP(ARCHITECTURE, recipe)
    for epoch in pieces.train(EXAMPLES, epochs=6, batch_size=16):
        if epoch.number == 2:
            break
    pieces = trained(pickle.loads(pickle.dumps(pieces)), 6)
    assert pieces.state.digest() == whole.state.digest()
    assert pieces.weights_digest == whole.weights_digest
    assert trained(whole, 6).state.epochs == 6  # nothing is left to do


def test_what_it_is_can_be_seen_while_it_trains():
    network, digests = MLP(ARCHITECTURE), []
    for epoch in network.train(EXAMPLES, EXAMPLES, epochs=3):
        digests.append(network.weights_digest)
        assert network.state.epochs == epoch.number + 1
        assert [weights.shape for weights in network.layers.weights] == [(2, 8), (8, 3)]
        assert epoch.metrics.keys() >= {"train_loss", "validation_loss", "gradient_norm", "dead_units"}
    assert len(set(digests)) == 3


def test_a_state_that_was_taken_does_not_change_any_more():
    network = trained(MLP(ARCHITECTURE), 2)
    state, digest = network.state, network.state.digest()
    trained(network, 4)
    assert state.digest() == digest
    assert len(state.losses) == 2


def test_outputs_are_the_softmax_of_the_logits():
    network = trained(MLP(ARCHITECTURE, dtype="float64"), 1)
    logits = network.logits(INPUTS)
    assert (network.outputs(INPUTS) == softmax(logits.T).T).all()
    assert logits.min() < 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(Architecture((2, 3), (), "crossentropy")), "loss='crossentropy' is unknown; did you mean"),
        (lambda: MLP(Architecture((2, 2, 3), ("rulu",), "cross_entropy")), "did you mean 'relu'"),
        (lambda: MLP(ARCHITECTURE, Recipe(optimizer="lbfgs")), "optimizer='lbfgs' is unknown"),
        (lambda: MLP(ARCHITECTURE, Recipe(schedule="step_")), "did you mean 'step'"),
        (lambda: MLP(ARCHITECTURE, initializer="he"), "initializer='he' is unknown"),
        (lambda: MLP(ARCHITECTURE, dtype="float16"), "dtype='float16' is unknown"),
        (lambda: MLP(ARCHITECTURE, parameters=np.zeros(50)), r"\(50,\) parameters do not fit .* which has 51"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
