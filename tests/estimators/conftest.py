"""Small data that the tests of the estimators share."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 300 handwritten digits and their classes."""
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


@pytest.fixture(scope="session")
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Return 200 numbers, and two functions of each."""
    X = np.linspace(-1, 1, 200)[:, np.newaxis]
    return X, np.hstack([X * X, 1 - 2 * X])
