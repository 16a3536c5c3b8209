"""The estimators as parts of what scikit-learn composes."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.ensemble import BaggingRegressor, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from plainmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": 16, "max_iter": 20, "batch_size": 50, "learning_rate_init": 0.01}


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def fitted(digits):
    X, y = digits
    return MLPClassifier(**SHORT, early_stopping=True).fit(X, y)


def test_a_pipeline_scales_first(digits):
    X, y = digits
    model = make_pipeline(StandardScaler(), MLPClassifier(**SHORT)).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) > 0.8


@pytest.mark.parametrize(
    "copied", [lambda model: pickle.loads(pickle.dumps(model)), "joblib"], ids=["pickle", "joblib"]
)
def test_copies_predict_the_same_and_train_on_the_same(fitted, digits, tmp_path, copied):
    X, y = digits
    if copied == "joblib":
        joblib.dump(fitted, tmp_path / "model.joblib")
        other = joblib.load(tmp_path / "model.joblib")
    else:
        other = copied(fitted)
    assert (other.predict_proba(X) == fitted.predict_proba(X)).all()
    assert other.history_ == fitted.history_
    both = [pickle.loads(pickle.dumps(fitted)), other]
    assert len({each.set_params(early_stopping=False).partial_fit(X, y).weights_digest_ for each in both}) == 1


def test_a_pickle_holds_no_more_than_the_training(fitted):
    numbers = fitted.network_.parameters.nbytes
    assert len(pickle.dumps(fitted)) < 5 * numbers + 8000  # parameters, the best ones and Adam's two memories


def test_a_clone_is_not_fitted_and_fits_the_same(fitted, digits):
    copied = clone(fitted)
    assert not hasattr(copied, "classes_")
    assert copied.fit(*digits).weights_digest_ == fitted.weights_digest_


@pytest.mark.slow
def test_a_grid_is_searched_in_processes(digits):
    X, y = digits
    grid = {"alpha": np.logspace(-4, 1, 2), "activation": ["tanh", "relu"]}
    search = GridSearchCV(MLPClassifier(**SHORT), grid, cv=2, n_jobs=2).fit(X, y)
    assert search.best_score_ > 0.7
    here = MLPClassifier(**SHORT, **search.best_params_).fit(X, y)
    assert here.weights_digest_ == search.best_estimator_.weights_digest_


def test_cross_validation_scores_each_part(digits):
    scores = cross_validate(MLPClassifier(**SHORT), *digits, cv=3, scoring=["accuracy", "neg_log_loss", "roc_auc_ovr"])
    assert (scores["test_roc_auc_ovr"] > 0.9).all()


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_probabilities_are_calibrated(digits, method):
    X, y = digits
    model = CalibratedClassifierCV(MLPClassifier(**SHORT), method=method, cv=2).fit(X, y % 2)
    assert model.score(X, y % 2) > 0.8


def test_columns_that_say_nothing_have_no_importance(digits):
    X, y = digits
    model = MLPClassifier(**SHORT).fit(X, y)
    importances = permutation_importance(model, X, y, n_repeats=2, random_state=0).importances_mean
    assert importances.argmax() != 0
    assert importances[0] == 0  # its pixel is always white


def test_estimators_are_stacked_and_bagged(digits, waves):
    X, y = digits
    members = [("narrow", MLPClassifier(**SHORT)), ("linear", MLPClassifier((), max_iter=20))]
    assert StackingClassifier(members, LogisticRegression(), cv=2).fit(X, y).score(X, y) > 0.8
    bag = BaggingRegressor(MLPRegressor(**SHORT), n_estimators=2, random_state=0).fit(*waves)
    assert len({member.weights_digest_ for member in bag.estimators_}) == 2


def test_several_columns_of_classes_have_an_estimator_each(digits):
    X, y = digits
    both = np.stack([y, y % 3], axis=1)
    assert MultiOutputClassifier(MLPClassifier(**SHORT)).fit(X, both).predict(X).shape == (300, 2)


@pytest.mark.usefixtures("routing")
def test_weights_and_validation_rows_are_routed_through_a_pipeline(digits):
    X, y = digits
    network = MLPClassifier(**SHORT).set_fit_request(sample_weight=True, X_val=True, y_val=True)
    steps = [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("network", network)]
    weights = 1.0 + (y == 3)
    model = Pipeline(steps, transform_input=["X_val"])
    model.fit(X[:200], y[:200], sample_weight=weights[:200], X_val=X[200:], y_val=y[200:])
    scaler = StandardScaler().fit(X[:200])
    by_hand = MLPClassifier(**SHORT).fit(
        scaler.transform(X[:200]), y[:200], weights[:200], scaler.transform(X[200:]), y[200:]
    )
    assert model["network"].validation_curve_ == by_hand.validation_curve_
    assert model["network"].weights_digest_ == by_hand.weights_digest_


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_a_search(digits):
    X, y = digits
    weights = 1.0 + (y == 3)
    network = MLPClassifier(**SHORT).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    search = GridSearchCV(network, {"alpha": [0.0, 1.0]}, cv=2).fit(X, y, sample_weight=weights)
    by_hand = MLPClassifier(**SHORT, **search.best_params_).fit(X, y, sample_weight=weights)
    assert search.best_estimator_.weights_digest_ == by_hand.weights_digest_


class Recorder:
    """A callback that keeps what it is told, and stops a fit after some iterations."""

    def __init__(self, last: int = 10**9):
        self.last, self.losses, self.networks, self.events = last, [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        assert X is not None
        assert y is not None
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None, metadata=None):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "iteration":
            self.losses.append(estimator.loss_)
            self.networks.append(fitted_estimator)
        return len(self.losses) >= self.last


def test_a_callback_sees_each_iteration_and_can_end_the_fit(digits):
    X, y = digits
    recorder = Recorder(last=3)
    model = MLPClassifier(**SHORT).set_callbacks(recorder).fit(X, y)
    assert model.n_iter_ == 3
    assert recorder.losses == model.loss_curve_
    assert recorder.events == ["setup", "begin fit", *["begin iteration", "end iteration"] * 3, "end fit", "teardown"]
    assert model.weights_digest_ == MLPClassifier(**{**SHORT, "max_iter": 3}).fit(X, y).weights_digest_


def test_what_a_callback_is_given_can_predict_and_stays_as_it_was(digits):
    X, y = digits
    recorder = Recorder()
    MLPClassifier(**SHORT).set_callbacks(recorder).fit(X, y)
    fitted_for_seven = MLPClassifier(**{**SHORT, "max_iter": 7}).fit(X, y)
    assert (recorder.networks[6].predict_proba(X) == fitted_for_seven.predict_proba(X)).all()


def test_callbacks_end_with_a_fit_that_fails(waves):
    recorder = Recorder()
    with pytest.raises(ValueError, match="not finite"):
        MLPRegressor(solver="sgd", learning_rate_init=1e200).set_callbacks(recorder).fit(*waves)
    assert recorder.events[-1] == "teardown"


def test_scores_are_monitored_within_a_search(digits):
    X, y = digits
    monitor = ScoringMonitor(scoring="accuracy")
    network = MLPClassifier(**{**SHORT, "max_iter": 3}).set_callbacks(monitor)
    GridSearchCV(network, {"alpha": [0.0, 1.0]}, cv=2).fit(X, y)
    rows = [row for log in monitor.get_logs(select="all") for row in log.data if row["task_name"] == "iteration"]
    assert len(rows) == (2 * 2 + 1) * 3
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


def test_progress_is_shown(digits, capsys):
    MLPClassifier(**SHORT).set_callbacks(ProgressBar()).fit(*digits)
    assert "MLPClassifier" in capsys.readouterr().out
