"""How long the estimators train, on what they stop, and how they go on."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning

from plainmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": 16, "batch_size": 50}
NEVER = {"n_iter_no_change": np.inf}


def test_a_plateau_ends_the_training_and_the_last_parameters_stay(waves):
    X, y = waves
    model = MLPRegressor(**SMALL, tol=0.5, n_iter_no_change=3, max_iter=50).fit(X, y)
    assert model.n_iter_ == model.best_iteration_ < 50
    cut = MLPRegressor(**SMALL, max_iter=model.n_iter_, **NEVER).fit(X, y)
    assert cut.weights_digest_ == model.weights_digest_


def test_without_a_plateau_a_warning_says_so(waves):
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .* train_loss"):
        MLPRegressor(max_iter=2).fit(*waves)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPRegressor(max_iter=2, **NEVER).fit(*waves)


def test_early_stopping_keeps_the_best_parameters(digits):
    X, y = digits
    noisy = np.where(np.arange(300) % 3, y, (y * 7 + 1) % 10)  # to be learned by heart
    given = {**SMALL, "learning_rate_init": 0.01, "early_stopping": True, "n_iter_no_change": 5, "tol": 0}
    model = MLPClassifier(**given, max_iter=200).fit(X, noisy)
    curve = model.validation_curve_
    assert model.best_iteration_ == int(np.argmin(curve)) + 1 == model.n_iter_ - 5
    again = MLPClassifier(**{**given, "max_iter": model.best_iteration_}).fit(X, noisy)
    assert again.weights_digest_ == model.weights_digest_


def test_early_stopping_serves_two_classes(digits):
    X, y = digits
    model = MLPClassifier(**SMALL, early_stopping=True, max_iter=30).fit(X, y > 4)
    assert model.history_["validation_accuracy"][-1] > 0.8


def test_early_stopping_that_never_stops_keeps_the_best_too(waves):
    X, y = waves
    model = MLPRegressor(**SMALL, learning_rate_init=0.1, early_stopping=True, tol=0, max_iter=30, **NEVER).fit(X, y)
    assert model.n_iter_ == 30 > model.best_iteration_ == int(np.argmin(model.validation_curve_)) + 1


def test_the_best_iteration_is_one_of_the_last_fit(waves):
    X, y = waves
    model = MLPRegressor(**SMALL, early_stopping=True, max_iter=5, warm_start=True).fit(X, y).fit(X, y)
    assert model.best_iteration_ <= model.n_iter_ == 5
    assert len(model.loss_curve_) == 10


def test_rows_that_are_given_stand_in_for_those_set_aside(digits):
    X, y = digits
    given = {**SMALL, "max_iter": 3, "early_stopping": True}
    model = MLPClassifier(**given).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    plain = MLPClassifier(**SMALL, max_iter=3).fit(X[:200], y[:200])
    assert model.loss_curve_ == plain.loss_curve_
    assert model.weights_digest_ == plain.weights_digest_
    assert not hasattr(plain, "validation_curve_")


def test_what_is_monitored_can_be_chosen(digits):
    X, y = digits
    model = MLPClassifier(**SMALL, monitor="validation_accuracy", early_stopping=True, max_iter=60).fit(X, y)
    scores = model.history_["validation_accuracy"]
    assert scores[model.best_iteration_ - 1] >= max(scores) - 1e-4
    with pytest.raises(
        ValueError, match=r"monitor='validation_loss' is unknown.*allowed: dead_units, gradient_norm, train"
    ):
        MLPClassifier(monitor="validation_loss").fit(X, y)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"X_val": np.ones((2, 64))}, "X_val and y_val belong together"),
        ({"X_val": np.ones((2, 3)), "y_val": [0, 1]}, "3 features"),
        ({"X_val": np.ones((2, 64)), "y_val": [0, 77]}, "class 77, which is not among those known"),
        ({"X_val": np.ones((2, 64)), "y_val": [[0, 1], [1, 1]]}, "shape"),
    ],
)
def test_validation_rows_that_do_not_fit_are_refused(digits, held_out, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(max_iter=1).fit(*digits, **held_out)


def test_partial_fits_are_iterations_of_a_fit(digits):
    X, y = digits
    given = {**SMALL, "schedule": "cosine", "dropout": 0.1, "max_iter": 4}
    model = MLPClassifier(**given)
    for number in range(1, 5):
        model.partial_fit(X, y, classes=range(10))
        assert model.n_iter_ == len(model.loss_curve_) == number
    assert model.weights_digest_ == MLPClassifier(**given).fit(X, y).weights_digest_


def test_partial_fits_take_other_rows_and_more_of_them_than_planned(digits):
    X, y = digits
    model = MLPClassifier(32, max_iter=3, learning_rate_init=0.01, batch_size=10)
    for _ in range(10):
        for rows in np.array_split(np.argsort(y), 30):  # most hold a single class
            model.partial_fit(X[rows], y[rows], classes=np.arange(10))
    assert model.n_iter_ == 300
    assert model.partial_fit(X, y).score(X, y) > 0.6


def test_partial_fit_goes_on_from_what_early_stopping_kept(waves):
    X, y = waves
    model = MLPRegressor(**SMALL, learning_rate_init=0.3, early_stopping=True, n_iter_no_change=3).fit(X, y)
    assert model.best_iteration_ < model.n_iter_
    kept = model.coefs_[0].copy()
    model.set_params(early_stopping=False, learning_rate_init=1e-9)
    model.network_.recipe = model.network_.recipe.__class__(**{**vars(model.network_.recipe), "learning_rate": 1e-9})
    model.partial_fit(X, y)
    assert np.allclose(model.coefs_[0], kept, atol=1e-6)


def test_later_rows_take_the_dtype_of_the_first(digits):
    X, y = digits
    for given in (X.astype(np.float32), csr_array(X.astype(np.float32))):
        model = MLPClassifier(**SMALL).partial_fit(X, y, classes=range(10)).partial_fit(given, y)
        assert model.coefs_[0].dtype == np.float64
        assert model.predict_proba(given).dtype == np.float64


@pytest.mark.parametrize(
    ("given", "classes", "message"),
    [
        ({}, None, "classes=None is not allowed in the first call"),
        ({}, [0, 1], "class 2, which is not among those known"),
        ({"early_stopping": True}, range(10), "early_stopping=True is not allowed with partial_fit"),
        ({"class_weight": "balanced"}, range(10), "class_weight='balanced' is not allowed with partial_fit"),
    ],
)
def test_partial_fits_that_cannot_be_are_refused(digits, given, classes, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**SMALL, **given).partial_fit(*digits, classes=classes)


def test_classes_of_a_later_call_must_be_those_of_the_first(digits):
    model = MLPClassifier(**SMALL).partial_fit(*digits, classes=range(10))
    with pytest.raises(ValueError, match="the first call of partial_fit had"):
        model.partial_fit(*digits, classes=range(11))


def test_labels_need_no_classes(digits):
    X, y = digits
    labels = np.stack([y % 2, y > 4], axis=1).astype(int)
    assert MLPClassifier(**SMALL).partial_fit(X, labels).partial_fit(X, labels).n_iter_ == 2


def test_a_warm_start_begins_where_the_last_fit_ended(digits):
    X, y = digits
    model = MLPClassifier(**SMALL, max_iter=20, warm_start=True).fit(X, y)
    first = model.loss_curve_[-1]
    model.fit(X, y)
    assert model.n_iter_ == 20
    assert len(model.loss_curve_) == 40
    assert model.loss_curve_[20] < 1.2 * first
    with pytest.raises(ValueError, match="class 10"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="parameters do not fit"):
        model.set_params(hidden_layer_sizes=8).fit(X, y)


def test_a_cold_start_forgets(digits):
    X, y = digits
    model = MLPClassifier(**SMALL, max_iter=2).fit(X, y)
    first = model.weights_digest_
    assert model.fit(X[:, :5], y % 2).n_features_in_ == 5
    assert model.fit(X, y).weights_digest_ == first
    assert len(model.loss_curve_) == 2


def test_a_loss_that_is_not_finite_is_told(waves):
    X, y = waves
    with pytest.raises(ValueError, match=r"not finite in iteration \d+ with learning_rate_init=1e\+200"):
        MLPRegressor(solver="sgd", learning_rate_init=1e200).fit(X, y)


def test_losses_are_written_where_that_is_asked_for(digits, capsys):
    MLPClassifier(**SMALL, max_iter=2, verbose=True, early_stopping=True).fit(*digits)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("iteration 1: train_loss = 2.")
    assert ", validation_loss = " in second
