"""Rows that are set aside, and what they count."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from plainmlp.estimators.rows import Rows

CLASSES = np.repeat([0, 1], [90, 10])
ROWS = Rows(np.arange(200.0).reshape(100, 2), CLASSES, np.arange(100.0))


def test_classes_are_set_aside_in_their_proportions():
    for seed in range(10):
        train, validation = ROWS.set_aside(0.2, seed)
        assert np.bincount(validation.targets).tolist() == [18, 2]
        assert np.bincount(train.targets).tolist() == [72, 8]


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_inputs_targets_and_weights_stay_together(kind):
    rows = ROWS._replace(inputs=kind(ROWS.inputs), targets=CLASSES[:, np.newaxis] + 0.5)
    train, validation = rows.set_aside(0.25, 0)
    assert (len(train.targets), len(validation.targets)) == (75, 25)
    examples, mean = train.examples()
    assert (examples.inputs[:75][:, 0] == 2 * train.weights).all()
    assert (train.targets[:, 0] == CLASSES[train.weights.astype(int)] + 0.5).all()
    assert examples.weights.mean() == pytest.approx(1)
    assert mean == pytest.approx(train.weights.mean())
    assert validation.weights is None
