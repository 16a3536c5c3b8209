import re

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from plainmlp.data.arrays import Description
from plainmlp.data.splits import Splits
from plainmlp.evaluation.evaluate import Evaluation, constant_outputs, evaluate
from plainmlp.training.train import train
from recorded import configuration, splits_of


@pytest.fixture(scope="module")
def splits() -> Splits:
    return splits_of(configuration())


@pytest.fixture(scope="module")
def model(splits):
    config = configuration(model__hidden_sizes=[8], training__epochs=2)
    return train(splits, 0, config.model, config.optimizer, config.training).model


def test_every_part_is_measured(model, splits):
    found = evaluate(model, splits, 0)
    assert list(found.metrics) == ["train", "validation", "test"]
    assert {"accuracy", "log_loss", "macro_f1"} <= found.metrics["test"].keys()
    hits = model.predict(splits.test.features).argmax(axis=1) == splits.test.targets
    assert found.metrics["test"]["accuracy"] == hits.mean()
    assert found.outputs.shape == (len(splits.test), 10)
    np.testing.assert_array_equal(found.outputs, model.predict(splits.test.features))


def test_intervals_hold_the_value_and_depend_on_the_seed_alone(model, splits):
    first, again, other = (evaluate(model, splits, seed) for seed in (0, 0, 1))
    low, high = first.intervals["accuracy"]
    assert low <= first.metrics["test"]["accuracy"] <= high
    assert first.intervals.keys() == first.metrics["test"].keys()
    assert first.intervals == again.intervals != other.intervals
    assert first.metrics == other.metrics


def test_last_epoch_of_the_history_is_what_is_measured(splits):
    config = configuration(model__hidden_sizes=[8], training__epochs=2)
    trained = train(splits, 0, config.model, config.optimizer, config.training)
    found = evaluate(trained.model, splits, 0).metrics["validation"]
    assert trained.history["validation_accuracy"][-1] == pytest.approx(found["accuracy"])
    assert trained.history["validation_loss"][-1] == pytest.approx(found["log_loss"], rel=1e-5)


def test_part_that_was_not_asked_for_is_not_there():
    config = configuration(model__hidden_sizes=[4], training__epochs=1, split__validation=0)
    splits = splits_of(config)
    model = train(splits, 0, config.model, config.optimizer, config.training).model
    assert list(evaluate(model, splits, 0).metrics) == ["train", "test"]


def test_baseline_is_that_of_scikit_learn(model, splits):
    found = evaluate(model, splits, 0).baseline
    dummy = DummyClassifier(strategy="prior").fit(splits.train.features, splits.train.targets)
    expected = dummy.score(splits.test.features, splits.test.targets)
    assert (found["accuracy"], found["roc_auc"]) == (pytest.approx(expected), 0.5)
    prior = constant_outputs(splits.description, splits.train.targets)
    np.testing.assert_allclose(prior, dummy.predict_proba([[0]])[0], rtol=1e-15)
    numbers = np.random.default_rng(0).normal(size=(99, 2))
    mean = constant_outputs(Description("table", "regression", (), ("a", "b")), numbers)
    np.testing.assert_allclose(mean, DummyRegressor().fit(numbers, numbers).predict([[0]])[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "reached", "interval", "words"),
    [
        ("accuracy", 0.91, (0.89, 0.93), "accuracy 0.9 on the test part, this network 0.91; .*class_weights=balanced"),
        ("accuracy", 0.94, (0.91, 0.96), None),
        ("accuracy", 0.89, None, "accuracy 0.9"),
        ("r2", 0.95, (0.93, 0.97), None),
        ("r2", 0.5, (0.2, 0.91), "try another network"),
    ],
)
def test_a_network_that_is_no_better_than_a_constant_is_named(name, reached, interval, words):
    intervals = {} if interval is None else {name: interval}
    warning = Evaluation({"test": {name: reached}}, intervals, np.empty(0), {name: 0.9}).warning()
    assert warning is None if words is None else re.search(words, warning)


def test_balanced_training_is_not_told_to_balance():
    warning = Evaluation(
        {"test": {"accuracy": 0.7}}, {}, np.empty(0), {"accuracy": 0.9}, class_weights="balanced"
    ).warning()
    assert warning.endswith("look at balanced_accuracy and roc_auc")
