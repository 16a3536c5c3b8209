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


def test_a_trained_network_holds_its_state_and_no_more():
    state = trained(MLP(ARCHITECTURE), 1).state
    assert all(array.base is None for array in (state.parameters, *state.slots))


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
        (
            lambda: MLP(Architecture((2, 8, 3), (), "cross_entropy")),
            r"activations=\(\) is not allowed: it must be one name for each of 1 hidden layers",
        ),
        (
            lambda: MLP(Architecture((2,), (), "cross_entropy")),
            r"layer_sizes=\(2,\) is not allowed: it must be the number of inputs, .* and the number of outputs",
        ),
        (
            lambda: MLP(Architecture((2, 0, 3), ("tanh",), "cross_entropy")),
            "layer_sizes=0 is not allowed: it must be a whole number at least 1",
        ),
        (
            lambda: MLP(Architecture((2, 3), (), "huber", (("threshold", -1.0),))),
            r"loss\['threshold'\]=-1.0 is not allowed: it must be a number above 0",
        ),
        (lambda: MLP(ARCHITECTURE, Recipe(learning_rate=-1)), "learning_rate=-1 is not allowed: .* above 0"),
        (lambda: MLP(ARCHITECTURE, Recipe(seed=-1)), "seed=-1 is not allowed: it must be a whole number at least 0"),
        (lambda: MLP(ARCHITECTURE, Recipe(dropout=1.0)), "dropout=1.0 is not allowed: .* at least 0 and below 1"),
        (lambda: MLP(ARCHITECTURE, Recipe(clip_norm=0)), "clip_norm=0 is not allowed: .* above 0 or inf"),
        (lambda: MLP(ARCHITECTURE, Recipe(patience=0)), "patience=0 is not allowed: .* at least 1 or None"),
        (
            lambda: MLP(ARCHITECTURE, Recipe(optimizer_options={"momentum": 0.9})),
            "an option of optimizer='adam'='momentum' is unknown",
        ),
        (
            lambda: MLP(ARCHITECTURE, Recipe(schedule="step", schedule_options={"every_epochs": 0})),
            r"schedule\['every_epochs'\]=0 is not allowed",
        ),
        (
            lambda: MLP(ARCHITECTURE, initializer="normal", initializer_options={"scale": 1.0}),
            "an option of initializer='normal'='scale' is unknown",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (
            Examples(INPUTS[:, :1], EXAMPLES.targets),
            r"inputs of the shape \(60, 1\) do not fit; allowed: \(n_samples, 2\)",
        ),
        (Examples(INPUTS, np.eye(3)[EXAMPLES.targets]), r"targets of the shape \(60, 3\) do not fit; allowed: \(60,\)"),
        (Examples(INPUTS, EXAMPLES.targets[:9]), r"targets of the shape \(9,\) do not fit"),
        (Examples(INPUTS, EXAMPLES.targets + 1), "class indices from 1 to 3 do not fit 3 outputs"),
    ],
)
def test_examples_that_do_not_fit_are_refused(examples, message):
    with pytest.raises(ValueError, match=message):
        next(MLP(ARCHITECTURE).train(examples, epochs=1))
    with pytest.raises(ValueError, match=message):
        next(MLP(ARCHITECTURE).train(EXAMPLES, examples, epochs=1))


def test_numbers_to_estimate_have_two_axes():
    network = MLP(Architecture((2, 1), (), "squared_error"))
    with pytest.raises(ValueError, match=r"allowed: \(60, 1\)"):
        next(network.train(Examples(INPUTS, INPUTS[:, 0]), epochs=1))
    with pytest.raises(ValueError, match=r"inputs of the shape \(60,\) do not fit"):
        network.outputs(INPUTS[:, 0])


def test_patience_needs_something_to_watch():
    with pytest.raises(ValueError, match="monitor='validation_loss' is unknown"):
        next(MLP(ARCHITECTURE, Recipe(patience=2)).train(EXAMPLES, epochs=1))


def test_inputs_of_another_dtype_are_converted():
    wide = Examples(EXAMPLES.inputs.astype(np.float64), EXAMPLES.targets)
    network = MLP(ARCHITECTURE)
    for _ in network.train(wide, wide, epochs=2, batch_size=16):
        pass
    assert network.weights_digest == trained(MLP(ARCHITECTURE), 2).weights_digest
    assert (network.outputs(wide.inputs) == network.outputs(INPUTS)).all()
