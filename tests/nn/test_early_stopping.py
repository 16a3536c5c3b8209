from dataclasses import replace

import numpy as np
import pytest

from nn.networks import make_architecture, make_examples, make_network, train
from plainmlp.nn.batches import Examples
from plainmlp.nn.early_stopping import EarlyStopping
from plainmlp.nn.network import Network
from plainmlp.nn.recipe import Recipe


def feed(values, **options):
    """Return after how many epochs a model stops, and the epoch whose parameters were kept."""
    stopping = EarlyStopping(Recipe(**options))
    monitor = options.get("monitor", "validation_loss")
    for epoch, value in enumerate(values):
        if stopping.stops({monitor: np.array([99.0, value])}, 1, np.array([float(epoch)])):
            return epoch + 1, stopping.best.parameters
    return None, stopping.best.parameters


@pytest.mark.parametrize(
    ("values", "options", "stopped_after", "best"),
    [
        ([3, 2, 1, 2, 2, 2], {"patience": 2}, 5, 2),
        ([3, 2, 1, 1, 1], {"patience": 2}, 5, 2),  # the first of equal values counts
        ([3, 4, 2, 5, 5], {"patience": 2}, 5, 2),  # an improvement starts the count again
        ([3, 4], {"patience": 1}, 2, 0),
        ([3, 2, 1], {"patience": 1}, None, 2),
        ([0.1, 0.5, 0.3, 0.4], {"patience": 2, "monitor": "validation_accuracy"}, 4, 1),
        ([0.1, 0.5, 0.3, 0.4], {"patience": 2, "monitor": "train_accuracy"}, 4, 1),
        ([0.1, 0.5, 0.3, 0.4], {"patience": 2, "monitor": "validation_mean_squared_error"}, 3, 0),
        ([3.0, 2.9, 2.8, 2.7, 2.4], {"patience": 3, "minimum_improvement": 0.25}, None, 4),
        ([3.0, 2.75, 2.75], {"patience": 2, "minimum_improvement": 0.25}, 3, 0),  # just so much is not more
        ([np.nan, np.nan, 1.0], {"patience": 2}, 2, None),
        ([3, np.nan, 2, np.nan, np.nan], {"patience": 2}, 5, 2),
    ],
)
def test_when_it_stops_and_what_it_keeps(values, options, stopped_after, best):
    assert feed(values, **options) == (stopped_after, None if best is None else np.array([best]))


def test_without_patience_nothing_is_kept_and_the_monitor_need_not_be_recorded():
    stopping = EarlyStopping(Recipe(patience=None))
    assert not stopping.stops({}, 0, np.zeros(1))
    assert stopping.best.parameters is None


def test_a_monitor_that_is_not_recorded_is_an_error():
    with pytest.raises(KeyError, match="validation_loss"):
        EarlyStopping(Recipe(patience=1)).stops({"train_loss": np.zeros(1)}, 0, np.zeros(1))


def test_what_is_kept_is_a_copy():
    stopping, parameters = EarlyStopping(Recipe(patience=3)), np.zeros(1)
    stopping.stops({"validation_loss": np.zeros(1)}, 0, parameters)
    parameters[0] = 5
    assert stopping.best.parameters == [0]


OVERFITTING = Recipe(optimizer="sgd", learning_rate=0.5)


def case():
    """Return a network and examples on which the validation metrics have their best in the middle."""
    network = make_network(make_architecture((2, 12, 3)))
    return network, make_examples("cross_entropy", 12, 2, 3), make_examples("cross_entropy", 30, 2, 3, seed=1)


@pytest.mark.parametrize("patience", [2, 4])
@pytest.mark.parametrize("monitor", ["validation_loss", "validation_accuracy", "train_loss"])
def test_training_ends_with_the_best_parameters(monitor, patience):
    network, examples, validation = case()
    recipe = replace(OVERFITTING, patience=patience, monitor=monitor)
    epochs = train(network, [recipe], examples, validation, epochs=40, batch_size=4)
    values = [float(epoch.metrics[monitor][0]) for epoch in epochs]
    best = int(np.argmax(values) if monitor.endswith("accuracy") else np.argmin(values))
    assert 0 < best < len(epochs) - 1  # else the test shows nothing
    assert len(epochs) == best + 1 + patience
    expected, *_ = case()
    train(expected, [OVERFITTING], examples, validation, epochs=best + 1, batch_size=4)
    assert network.parameters.tobytes() == expected.parameters.tobytes()


def test_the_best_is_restored_where_patience_outlasts_the_epochs():
    network, examples, validation = case()
    epochs = train(network, [replace(OVERFITTING, patience=100)], examples, validation, epochs=30, batch_size=4)
    losses = [float(epoch.metrics["validation_loss"][0]) for epoch in epochs]
    assert len(epochs) == 30
    assert int(np.argmin(losses)) < 29
    picked = network.outputs(validation.inputs)[0][np.arange(30), validation.targets]
    np.testing.assert_allclose(-np.log(picked).mean(), min(losses), rtol=1e-13)


def test_the_last_parameters_stay_without_patience():
    network, examples, validation = case()
    epochs = train(network, [OVERFITTING], examples, validation, epochs=30, batch_size=4)
    picked = network.outputs(validation.inputs)[0][np.arange(30), validation.targets]
    np.testing.assert_allclose(-np.log(picked).mean(), epochs[-1].metrics["validation_loss"][0], rtol=1e-13)


def test_training_without_validation_needs_no_monitor():
    network, examples, _ = case()
    assert len(train(network, [Recipe()], examples, epochs=3)) == 3


def test_a_diverged_model_keeps_the_best_that_it_had():
    """w is 1, then -9, 81 ...: each step multiplies it by -9, until the loss overflows."""
    network = Network([make_architecture((1, 1), loss="squared_error", bias=False)], np.ones((1, 1)))
    examples = Examples(np.ones((1, 1)), np.zeros((1, 1)))
    recipe = Recipe(optimizer="sgd", learning_rate=10.0, patience=1000)
    epochs = train(network, [recipe], examples, examples, epochs=400)
    assert epochs[-1].diverged
    assert network.parameters == [[-9.0]]
