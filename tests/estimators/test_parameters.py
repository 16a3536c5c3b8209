"""The parameters of the estimators: each is checked, and each one counts."""

import warnings

import numpy as np
import pytest

from plainmlp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": (8, 4), "max_iter": 3, "batch_size": 20}

REFUSED = {
    "hidden_layer_sizes": [(0,), (8, -1), 2.5, ("8",)],
    "activation": ["relo", ["relu"], ["relu", "relo"]],
    "solver": ["lbfgs", {"name": "adam", "momentum": 0.5}, {"name": "adam", "beta1": 1.0}, {"beta1": 0.5}, None],
    "alpha": [-1, "much", np.nan],
    "batch_size": [0, 2.0, "all", True],
    "learning_rate_init": [0, -1, np.inf],
    "max_iter": [0, 1.5],
    "shuffle": ["no"],
    "random_state": [-1, 0.5, "seed"],
    "tol": [-1e-4],
    "warm_start": [2],
    "early_stopping": ["yes"],
    "validation_fraction": [0.0, 1.0],
    "n_iter_no_change": [0, 2.5, -np.inf],
    "monitor": ["loss"],
    "loss": ["hinge", {"name": "huber"}, {"name": "cross_entropy", "threshold": 1.0}],
    "initializer": ["he", {"name": "normal", "mean": "low"}],
    "schedule": ["invscaling", {"name": "step", "every_epochs": 1.5}],
    "dropout": [1.0, -0.1],
    "l1": [-0.5],
    "clip_norm": [0, "none"],
    "dtype": ["float16"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_value_that_is_not_allowed_is_named(digits, name, value):
    with pytest.raises(ValueError, match=name) as caught:
        MLPClassifier(**{**SHORT, name: value}).fit(*digits)
    assert "allowed" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_parameter_is_checked_or_free():
    assert MLPClassifier().get_params().keys() - REFUSED.keys() == {"class_weight", "verbose"}


COUNTED = {
    "activation": ["tanh", ["tanh", "relu"]],
    "solver": ["sgd", "momentum", {"name": "momentum", "momentum": 0.5}, "nadam"],
    "alpha": [10.0],
    "batch_size": [50],
    "learning_rate_init": [0.01],
    "shuffle": [False],
    "random_state": [1],
    "initializer": ["glorot_normal", {"name": "normal", "standard_deviation": 0.5}],
    "schedule": ["exponential", {"name": "exponential", "factor": 0.5}],
    "dropout": [0.1],
    "l1": [0.1],
    "clip_norm": [0.01],
    "dtype": ["float32"],
    "class_weight": ["balanced"],
}


def test_each_value_makes_another_network(digits):
    given = [{}, *({name: value} for name, values in COUNTED.items() for value in values)]
    digests = [MLPClassifier(**{**SHORT, **each}).fit(*digits).weights_digest_ for each in given]
    assert len(set(digests)) == len(given)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hidden_layer_sizes": 8}, {"hidden_layer_sizes": np.array([8])}),
        ({"activation": "logistic"}, {"activation": ["sigmoid", "logistic"]}),
        ({"solver": "adam"}, {"solver": {"name": "adam", "beta1": 0.9}}),
        ({"batch_size": 300}, {"batch_size": 10_000}),
        ({"batch_size": "auto"}, {"batch_size": np.int64(200)}),
        ({"alpha": 1}, {"alpha": np.float32(1)}),
        ({"n_iter_no_change": 10}, {"n_iter_no_change": np.inf}),
        ({"dtype": "auto"}, {"dtype": "float64"}),
    ],
)
def test_what_means_the_same_gives_the_same_bits(digits, one, other):
    digests = {MLPClassifier(**{**SHORT, **each}).fit(*digits).weights_digest_ for each in (one, other)}
    assert len(digests) == 1


def test_alpha_costs_what_it_costs_in_scikit_learn(digits):
    """On the same weights and the same rows both add alpha / 2 * sum w^2 over the rows of a batch."""
    from sklearn.neural_network import MLPClassifier as Reference

    X, y = digits
    given = {"alpha": 100.0, "learning_rate_init": 1e-12, "max_iter": 1, "batch_size": 300, "n_iter_no_change": np.inf}
    ours = MLPClassifier(8, **given).fit(X, y)
    reference = Reference(8, **given, warm_start=True)
    with warnings.catch_warnings(action="ignore"):
        reference.fit(X, y)
        reference.coefs_, reference.intercepts_ = list(map(np.copy, ours.coefs_)), list(map(np.copy, ours.intercepts_))
        reference.fit(X, y)
    assert ours.loss_ == pytest.approx(reference.loss_, rel=1e-9)
