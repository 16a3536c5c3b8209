from dataclasses import replace

import numpy as np
import pytest

from networks import make_architecture, make_examples, train
from plainmlp.nn.batches import Examples
from plainmlp.nn.early_stopping import Best, EarlyStopping, kept_epoch
from plainmlp.nn.recipe import Recipe


def feed(values, **options):
    """Return after how many epochs a model stops, and the epoch whose parameters were kept."""
    stopping = EarlyStopping(Recipe(**options))
    monitor = options.get("monitor", "validation_loss")
    for epoch, value in enumerate(values):
        if stopping.stops({monitor: value, "learning_rate": 99.0}, np.array([float(epoch)])):
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
    assert not stopping.stops({}, np.zeros(1))
    assert stopping.best.parameters is None


def test_what_was_remembered_goes_on():
    stopping = EarlyStopping(Recipe(patience=3), Best(2.0, 1, np.array([7.0])))
    assert not stopping.stops({"validation_loss": 2.5}, np.zeros(1))
    assert stopping.stops({"validation_loss": 2.5}, np.zeros(1))
    assert (stopping.best.value, stopping.best.waited, stopping.best.parameters) == (2.0, 3, [7.0])


def test_a_monitor_that_is_not_recorded_is_an_error():
    with pytest.raises(KeyError, match="validation_loss"):
        EarlyStopping(Recipe(patience=1)).stops({"train_loss": 0.0}, np.zeros(1))


def test_what_is_kept_is_a_copy():
    stopping, parameters = EarlyStopping(Recipe(patience=3)), np.zeros(1)
    stopping.stops({"validation_loss": 0.0}, parameters)
    parameters[0] = 5
    assert stopping.best.parameters == [0]


@pytest.mark.parametrize(
    ("losses", "patience", "kept"),
    [
        ([3.0, 1.0, 2.0, 2.0], 2, 1),
        ([3.0, 2.0, 1.0], 2, 2),
        ([1.0, 2.0, 3.0], 9, 0),
        ([1.0, 2.0, 3.0], None, 2),
        ([np.nan, np.nan], 2, 1),  # nothing was ever kept, so that the last stays
    ],
)
def test_the_kept_epoch_follows_from_the_history(losses, patience, kept):
    history = {"train_loss": [0.0] * len(losses), "validation_loss": losses}
    assert kept_epoch(Recipe(patience=patience), history) == kept


OVERFITTING = Recipe(optimizer="sgd", learning_rate=0.5)
ARCHITECTURE = make_architecture((2, 12, 3))
# examples on which the validation metrics have their best in the middle
PARTS = make_examples("cross_entropy", 12, 2, 3), make_examples("cross_entropy", 30, 2, 3, seed=1)
FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])


def overfit(epochs, compiled=False, **options):
    return train(ARCHITECTURE, replace(OVERFITTING, **options), *PARTS, epochs=epochs, batch_size=4, compiled=compiled)


def validation_loss(trained):
    picked = trained.descent.outputs(PARTS[1].inputs)[np.arange(30), PARTS[1].targets]
    return -np.log(picked).mean()


@FORMS
@pytest.mark.parametrize("patience", [2, 4])
@pytest.mark.parametrize("monitor", ["validation_loss", "validation_accuracy", "train_loss"])
def test_training_ends_with_the_best_parameters(monitor, patience, compiled):
    trained = overfit(40, compiled, patience=patience, monitor=monitor)
    values = trained.metric(monitor)
    best = int(np.argmax(values) if monitor.endswith("accuracy") else np.argmin(values))
    assert 0 < best < len(values) - 1  # else the test shows nothing
    assert len(values) == best + 1 + patience
    assert [epoch.is_last for epoch in trained.epochs] == [False] * (best + patience) + [True]
    assert trained.parameters.tobytes() == overfit(best + 1, compiled).parameters.tobytes()


@FORMS
def test_the_best_is_restored_where_patience_outlasts_the_epochs(compiled):
    trained = overfit(30, compiled, patience=100)
    losses = trained.metric("validation_loss")
    assert len(losses) == 30
    assert int(np.argmin(losses)) < 29
    np.testing.assert_allclose(validation_loss(trained), min(losses), rtol=1e-13)


def test_the_last_parameters_stay_without_patience():
    trained = overfit(30)
    np.testing.assert_allclose(validation_loss(trained), trained.metric("validation_loss")[-1], rtol=1e-13)


def test_training_without_validation_needs_no_monitor():
    assert len(train(ARCHITECTURE, Recipe(), PARTS[0], epochs=3).epochs) == 3


@FORMS
def test_a_training_that_diverged_keeps_the_best_that_it_had(compiled):
    """w is 1, then -9, 81 ...: each step multiplies it by -9, until the loss overflows."""
    architecture = make_architecture((1, 1), loss="squared_error", bias=False)
    examples = Examples(np.ones((1, 1)), np.zeros((1, 1)))
    recipe = Recipe(optimizer="sgd", learning_rate=10.0, patience=1000)
    options = {"epochs": 400, "parameters": np.ones(1), "compiled": compiled}
    trained = train(architecture, recipe, examples, examples, **options)
    assert trained.epochs[-1].diverged
    assert trained.parameters == [-9.0]
