import numpy as np

from plainmlp.nn.penalty import Penalty


def column(*values):
    return np.array(values)[:, np.newaxis]


WEIGHTS = np.array([[1.0, -2.0, 0.0], [1.0, -2.0, 0.0], [1.0, -2.0, 0.0]])


def test_cost_and_gradient_worked_by_hand():
    penalty = Penalty(column(0.1, 0.0, 0.0), column(0.5, 0.5, 0.0), WEIGHTS)
    np.testing.assert_allclose(penalty.cost(), [0.1 * 3 + 0.25 * 5, 0.25 * 5, 0])
    gradients = np.ones((3, 3))
    penalty.add_gradient(gradients)
    np.testing.assert_allclose(gradients, [[1 + 0.5 + 0.1, 1 - 1 - 0.1, 1], [1.5, 0, 1], [1, 1, 1]])
    assert penalty.is_used


def test_without_rates_it_is_not_used():
    penalty = Penalty(column(0.0), column(0.0), WEIGHTS[:1])
    assert not penalty.is_used
    np.testing.assert_array_equal(penalty.cost(), [0.0])


def test_a_free_model_keeps_its_bits_whatever_its_weights_are():
    weights = np.array([[1.0, 1.0, 1.0], [np.inf, -np.inf, np.nan]])
    penalty = Penalty(column(0.1, 0.0), column(0.1, 0.0), weights)
    gradients = np.array([[0.0, 0.0, 0.0], [-0.0, 0.0, 2.0]])
    before = gradients[1].tobytes()
    with np.errstate(invalid="ignore"):
        penalty.add_gradient(gradients)
        assert penalty.cost()[1] == 0
    assert gradients[1].tobytes() == before
