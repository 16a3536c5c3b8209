"""Every check that scikit-learn has for an estimator."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from plainmlp import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_conventions(estimator, check):
    check(estimator)
