"""Permutation importance, against scikit-learn's and where the answer is known."""

import numpy as np
import pytest
from scipy.stats import t
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance as of_scikit_learn

from plainmlp.data.arrays import Column, Description, Part
from plainmlp.evaluation import importance
from plainmlp.evaluation.importance import permutation_importance, score

GENERATOR = np.random.default_rng(0)
FEATURES = GENERATOR.normal(size=(500, 3))
COLUMNS = tuple(Column(name) for name in "abc")


class Asked(BaseEstimator):
    """A model as scikit-learn asks it."""

    def __init__(self, predict, task):
        self.predict, self.task = predict, task

    def fit(self, features, targets):
        return self

    def score(self, features, targets):
        return score(Description("data", self.task, (), ("y",)), targets, self.predict(features))


def case(task):
    if task == "regression":
        targets, names = FEATURES @ [[2.0], [1.0], [0.0]], ()
        return targets, names, lambda x: x @ [[2.0], [1.0], [0.0]]
    strength = FEATURES @ [2.0, 1.0, 0.0]
    outputs = lambda x: np.stack([-(x @ [2.0, 1.0, 0.0]), x @ [2.0, 1.0, 0.0]], axis=1)  # noqa: E731
    if task == "multilabel":
        return np.stack([strength > 0, strength > 1], axis=1).astype(float), (), lambda x: outputs(x)[:, [1, 1]]
    return (strength > 0).astype(int), ("no", "yes"), outputs


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_importance_is_that_of_scikit_learn_but_for_the_draws(task):
    targets, classes, predict = case(task)
    description = Description("table", task, COLUMNS, ("y",), classes)
    found = permutation_importance(predict, Part(FEATURES, targets), description, np.random.default_rng(1))
    expected = of_scikit_learn(Asked(predict, task), FEATURES, targets, n_repeats=30, random_state=0)
    np.testing.assert_allclose(found.means, expected.importances_mean, atol=0.04 * max(found.means))
    assert found.order() == [0, 1, 2]
    assert found.means[2] == found.low[2] == found.high[2] == 0
    ends = 2.262 * expected.importances_std / np.sqrt(10)
    np.testing.assert_allclose(found.high - found.means, ends, rtol=1)
    np.testing.assert_allclose(found.means - found.low, found.high - found.means)


def test_the_factor_of_the_interval_is_students():
    assert pytest.approx(t.ppf(0.975, importance.REPEATS - 1), rel=1e-9) == importance.STUDENT_T


def test_the_same_draws_give_the_same_bits_and_the_features_stay():
    targets, _, predict = case("regression")
    description = Description("table", "regression", COLUMNS, ("y",))
    before = FEATURES.copy()
    first, again = (
        permutation_importance(predict, Part(FEATURES, targets), description, np.random.default_rng(1))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.means, again.means)
    np.testing.assert_array_equal(FEATURES, before)


@pytest.mark.parametrize(
    ("n_columns", "shape", "is_measured"), [(1, None, False), (2, None, True), (101, None, False), (4, (2, 2), False)]
)
def test_images_and_very_many_columns_are_not_shuffled(n_columns, shape, is_measured):
    columns = tuple(Column(str(number)) for number in range(n_columns))
    description = Description("table", "regression", columns, ("y",), image_shape=shape)
    part = Part(np.ones((5, n_columns)), np.arange(5.0)[:, np.newaxis])
    found = permutation_importance(lambda x: x[:, :1], part, description, np.random.default_rng(0))
    assert (found is not None) == is_measured
