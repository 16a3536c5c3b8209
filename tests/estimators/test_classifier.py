"""Classes and labels of every kind, from every kind of table."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array
from sklearn.metrics import log_loss

from configurations import changed
from plainmlp import MLPClassifier
from plainmlp.composition.compose import parse
from plainmlp.data.stages import fetch, split
from plainmlp.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": 16, "max_iter": 5, "batch_size": 50}


def test_digits_are_read(digits):
    X, y = digits
    model = MLPClassifier(max_iter=100).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.85
    assert [weights.shape for weights in model.coefs_] == [(64, 100), (100, 10)]
    assert [biases.shape for biases in model.intercepts_] == [(100,), (10,)]
    assert len(model.loss_curve_) == model.n_iter_ == model.best_iteration_
    assert model.loss_ == model.loss_curve_[-1] < 0.5
    assert model.classes_.tolist() == list(range(10))


def test_the_stage_train_comes_to_the_same_bits():
    """The estimator is the same core: on the same inputs, with the same settings, no bit is another."""
    values = {"model__hidden_sizes": [16], "training__epochs": 3, "split__scaling": "none", "seed": 5}
    config = parse(changed(**values, model__l2=0.01 / 32, model__dropout=0.2, training__class_weights="balanced"))
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    staged = train(splits, config.seed, config.model, config.optimizer, config.training)
    model = MLPClassifier(16, alpha=0.01, batch_size=32, max_iter=3, random_state=5, dropout=0.2, dtype="float32")
    model.set_params(class_weight="balanced")
    part, held_out = splits.train, splits.validation
    model.fit(part.features, part.targets, X_val=held_out.features, y_val=held_out.targets)
    assert model.weights_digest_ == staged.model.weights_digest
    assert model.validation_curve_ == list(staged.history["validation_loss"])


def test_fitting_twice_gives_equal_bits(digits):
    assert len({MLPClassifier(**SHORT, dropout=0.1).fit(*digits).weights_digest_ for _ in range(2)}) == 1


def test_seeds_differ_and_may_be_drawn(digits):
    seeds = (0, 1, np.int64(2), np.random.RandomState(0), np.random.RandomState(1), None)
    assert len({MLPClassifier(**SHORT, random_state=seed).fit(*digits).weights_digest_ for seed in seeds}) == 6


def test_two_classes_have_one_output_and_words_for_names(digits):
    X, y = digits
    words = np.array(["even", "odd"])[y % 2]
    model = MLPClassifier(**SHORT).fit(X, words)
    probabilities, decisions = model.predict_proba(X), model.decision_function(X)
    assert model.n_outputs_ == 1
    assert model.classes_.tolist() == ["even", "odd"]
    assert decisions.shape == (300,)
    assert (model.predict(X) == np.where(decisions > 0, "odd", "even")).all()
    assert np.allclose(probabilities[:, 1], 1 / (1 + np.exp(-decisions)))
    assert np.allclose(model.predict_log_proba(X), np.log(probabilities))


def test_two_classes_can_have_two_outputs(digits):
    X, y = digits
    model = MLPClassifier(**SHORT, loss="cross_entropy").fit(X, y % 2)
    assert model.n_outputs_ == 2
    assert (model.predict(X) == model.predict_proba(X).argmax(axis=1)).all()
    assert (model.predict(X) == (model.decision_function(X) > 0)).all()


def test_labels_are_each_told(digits):
    X, y = digits
    labels = np.stack([y % 2, y > 4], axis=1).astype(int)
    model = MLPClassifier(32, max_iter=100).fit(X, labels)
    assert model.predict_proba(X).shape == model.decision_function(X).shape == labels.shape
    assert model.classes_.tolist() == [0, 1]
    assert (model.predict(X) == (model.decision_function(X) > 0)).all()
    assert model.score(X, labels) > 0.9
    sparse = MLPClassifier(32, max_iter=100).fit(X, csr_array(labels))
    assert sparse.weights_digest_ == model.weights_digest_


def test_sparse_rows_are_the_same_rows(digits):
    X, y = digits
    dense = MLPClassifier(**SHORT, dropout=0.2).fit(X, y)
    for matrix in (csr_array(X), csc_matrix(X)):
        sparse = MLPClassifier(**SHORT, dropout=0.2).fit(matrix, y)
        assert sparse.weights_digest_ == dense.weights_digest_
        assert (sparse.predict_proba(matrix) == dense.predict_proba(X)).all()
        assert (sparse.decision_function(matrix) == dense.decision_function(X)).all()


def test_sparse_rows_stay_sparse():
    """Dense, these rows would take 160 MB."""
    rows, columns = np.arange(2000), np.arange(2000) % 10
    X = csr_array((np.ones(2000), (rows, columns)), shape=(2000, 10_000))
    model = MLPClassifier(2, max_iter=2, batch_size=100, solver="sgd", dtype="float64")
    tracemalloc.start()
    assert model.fit(X, columns % 2).predict(X).shape == (2000,)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 90e6


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables_are_taken_and_their_names_kept(digits, library):
    X, y = digits
    frames = pytest.importorskip(library)
    columns = [f"pixel{number}" for number in range(64)]
    frame = frames.DataFrame(dict(zip(columns, X.T, strict=True)))
    model = MLPClassifier(**SHORT).fit(frame, frames.Series([f"digit {number}" for number in y]))
    assert model.feature_names_in_.tolist() == columns
    assert model.classes_[0] == "digit 0"
    assert (model.predict_proba(frame) == MLPClassifier(**SHORT).fit(X, y).predict_proba(X)).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(pd.DataFrame(X, columns=columns[::-1]))


def test_weights_of_classes_move_the_predictions(digits):
    X, y = digits
    rare = (y == 3).astype(int)
    found = {
        name: MLPClassifier(8, max_iter=30, class_weight=weight).fit(X, rare).predict(X).sum()
        for name, weight in {"none": None, "balanced": "balanced", "given": {0: 0.001, 1: 1}}.items()
    }
    assert found["none"] < found["balanced"] < found["given"] > 290


def test_weights_of_samples_and_of_classes_multiply(digits):
    X, y = digits
    weights = 1.0 + (y < 5)
    by_class = MLPClassifier(**SHORT, class_weight={number: 1 + (number < 5) for number in range(10)})
    by_sample = MLPClassifier(**SHORT)
    assert by_class.fit(X, y).weights_digest_ == by_sample.fit(X, y, sample_weight=weights).weights_digest_
    assert (
        by_class.fit(X, y, 1 / weights).weights_digest_ == MLPClassifier(**SHORT).fit(X, y, weights**0).weights_digest_
    )


@pytest.mark.parametrize("weight", [0, -1])
def test_weights_of_classes_that_leave_nothing_are_refused(digits, weight):
    with pytest.raises(ValueError, match="all weights zero, or one negative"):
        MLPClassifier(**SHORT, class_weight=dict.fromkeys(range(10), weight)).fit(*digits)


def test_labels_have_weights_too(digits):
    X, y = digits
    labels = np.stack([y % 2, y > 4], axis=1).astype(int)
    weighted = MLPClassifier(**SHORT, class_weight=[{0: 1, 1: 5}, {0: 1, 1: 1}]).fit(X, labels)
    assert weighted.predict_proba(X)[:, 0].mean() > MLPClassifier(**SHORT).fit(X, labels).predict_proba(X)[:, 0].mean()


def test_one_class_is_always_right(digits):
    model = MLPClassifier(**SHORT).fit(digits[0], np.full(300, "all"))
    assert set(model.predict(digits[0])) == {"all"}
    assert (model.predict_proba(digits[0]) == 1).all()


def test_inputs_decide_about_the_dtype(digits):
    X, y = digits
    assert MLPClassifier(**SHORT).fit(X.astype(np.float32), y).predict_proba(X).dtype == np.float32
    assert MLPClassifier(**SHORT).fit(X, y).predict_proba(X).dtype == np.float64
    assert MLPClassifier(**SHORT, dtype="float32").fit(X, y).coefs_[0].dtype == np.float32


@pytest.mark.parametrize(
    ("y", "given", "message"),
    [
        (np.arange(300) % 3, {"loss": "binary_cross_entropy"}, "loss='binary_cross_entropy' is not allowed for these"),
        (np.eye(3)[np.arange(300) % 3], {"loss": "cross_entropy"}, "must be 'auto' or 'binary_cross_entropy'"),
        (np.arange(600).reshape(300, 2) % 3, {}, "MultiOutputClassifier"),
        (np.linspace(0, 1, 300), {}, "Unknown label type"),
        (np.arange(300) % 3, {"class_weight": {7: 1}}, "not in class_weight"),
    ],
)
def test_targets_that_do_not_fit_are_refused(digits, y, given, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SHORT, **given).fit(digits[0], y)


def test_probabilities_are_those_that_the_loss_is_of(digits):
    X, y = digits
    model = MLPClassifier(**SHORT).fit(X, y, X_val=X[:100], y_val=y[:100])
    assert model.validation_curve_[-1] == pytest.approx(log_loss(y[:100], model.predict_proba(X[:100])), rel=1e-12)
    assert model.history_["validation_accuracy"][-1] == pytest.approx(model.score(X[:100], y[:100]))
