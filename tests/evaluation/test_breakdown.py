"""Scores of single classes, labels and targets, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, r2_score

from plainmlp.data.arrays import Description
from plainmlp.evaluation.breakdown import CLASS_HEADER, breakdown, class_rows

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_scores_of_classes_are_those_of_scikit_learn(task):
    names = ("a", "b", "c")
    outputs = GENERATOR.random((60, 3))
    if task == "classification":
        description = Description("table", task, (), ("y",), names)
        targets, predicted = GENERATOR.integers(0, 3, 60), outputs.argmax(axis=1)
    else:
        description = Description("table", task, (), names)
        targets, predicted = GENERATOR.integers(0, 2, (60, 3)).astype(float), outputs > 0.5
    name, header, rows = breakdown(description, targets, outputs)
    assert (name, header) == ("classes", CLASS_HEADER)
    expected = np.stack(precision_recall_fscore_support(targets, predicted), axis=1)
    assert [row[0] for row in rows] == list(names)
    np.testing.assert_allclose(np.array([row[1:] for row in rows], float), expected)


def test_a_class_that_is_neither_there_nor_predicted_has_empty_cells():
    description = Description("table", "classification", (), ("y",), ("a", "b", "c"))
    rows = class_rows(description, np.array([0, 0, 1]), np.eye(3)[[0, 0, 0]])
    assert rows[1] == ("b", "", 0.0, 0.0, 1)
    assert rows[2] == ("c", "", "", "", 0)


def test_every_target_has_its_own_metrics():
    targets = GENERATOR.normal(size=(50, 2))
    outputs = targets + GENERATOR.normal(size=(50, 2)) * (0.1, 1)
    name, header, rows = breakdown(Description("table", "regression", (), ("a", "b")), targets, outputs)
    assert (name, header[:2], [row[0] for row in rows]) == ("targets", ("target", "mean_squared_error"), ["a", "b"])
    found = [row[header.index("r2")] for row in rows]
    np.testing.assert_allclose(found, r2_score(targets, outputs, multioutput="raw_values"))
