"""One number or several, with every loss."""

import numpy as np
import pytest

from plainmlp import MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
QUICK = {"hidden_layer_sizes": (32,), "activation": "tanh", "learning_rate_init": 0.02, "batch_size": 50}


def test_several_numbers_are_met(waves):
    X, y = waves
    model = MLPRegressor(**QUICK).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert model.n_outputs_ == 2
    assert model.score(X, y) > 0.99


def test_one_number_has_one_axis(waves):
    X, y = waves
    flat = MLPRegressor(**QUICK, max_iter=50).fit(X, y[:, 0])
    assert flat.predict(X).shape == (200,)
    assert flat.score(X, y[:, 0]) > 0.95
    with pytest.warns(Warning, match="column-vector"):
        column = MLPRegressor(**QUICK, max_iter=50).fit(X, y[:, :1])
    assert column.weights_digest_ == flat.weights_digest_


@pytest.mark.parametrize("loss", [*MLPRegressor._losses, {"name": "huber", "threshold": 0.1}], ids=str)
def test_every_loss_serves(waves, loss):
    X, y = waves
    model = MLPRegressor(**QUICK, n_iter_no_change=np.inf, loss=loss).fit(X, y + 1)
    assert model.score(X, y + 1) > 0.8
    assert model.network_.architecture.loss == (loss if isinstance(loss, str) else "huber")


def test_an_option_of_a_loss_counts(waves):
    X, y = waves
    losses = ("huber", {"name": "huber"}, {"name": "huber", "threshold": 0.01})
    plain, named, narrow = (MLPRegressor(**QUICK, max_iter=3, loss=loss).fit(X, y).weights_digest_ for loss in losses)
    assert plain == named != narrow


def test_outliers_weigh_nothing_where_their_weight_is_zero(waves):
    X, y = waves
    dirty = y.copy()
    dirty[::10] = 1000
    weights = np.where(np.arange(200) % 10, 1.0, 0.0)
    assert MLPRegressor(**QUICK).fit(X, dirty, sample_weight=weights).score(X, y) > 0.99


def test_a_loss_of_classes_is_refused(waves):
    with pytest.raises(ValueError, match=r"loss='cross_entropy' is unknown.*allowed: absolute_error, auto"):
        MLPRegressor(loss="cross_entropy").fit(*waves)


def test_another_number_of_targets_is_refused(waves):
    X, y = waves
    model = MLPRegressor(**QUICK, max_iter=1, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="1 columns; allowed: 2"):
        model.fit(X, y[:, 0])
