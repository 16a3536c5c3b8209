import math
from dataclasses import replace

import numpy as np
import pytest

from networks import DTYPES, SGD, make_architecture, make_descent, make_steps, train, whole_block
from plainmlp.nn.batches import Examples
from plainmlp.nn.randomness import generator

FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
STILL = replace(SGD, learning_rate=1e-300)


def mean_of_masks(n_hidden):
    """Return a linear network whose output, for the input 1, is the mean of its hidden units' masks."""
    architecture = make_architecture((1, n_hidden, 1), "identity", "squared_error", bias=False)
    return architecture, np.repeat([1, 1 / n_hidden], n_hidden)


@FORMS
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_it_leaves_out_its_share_and_scales_the_rest(rate, compiled):
    """With target 0 the loss is z^2 / 2, and z (1 - rate) n counts the units that were kept."""
    n_hidden, examples = 10_000, Examples(np.ones((1, 1)), np.zeros((1, 1)))
    architecture, parameters = mean_of_masks(n_hidden)
    options = {"epochs": 5, "parameters": parameters, "compiled": compiled}
    trained = train(architecture, replace(STILL, dropout=rate), examples, examples, **options)
    kept = np.sqrt(2 * np.array(trained.metric("train_loss"))) * (1 - rate) * n_hidden
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-6)
    assert (np.abs(kept - (1 - rate) * n_hidden) < 5 * math.sqrt(rate * (1 - rate) * n_hidden)).all()
    assert len(set(np.round(kept))) > 1
    np.testing.assert_allclose(trained.metric("validation_loss"), 0.5, rtol=1e-12)  # nothing is left out here


def test_masks_come_from_the_seed_and_differ_between_samples():
    examples = Examples(np.ones((2, 1)), np.zeros((2, 1)))
    architecture, parameters = mean_of_masks(1000)
    found = {}
    for seed in (0, 0, 1):
        recipe = replace(STILL, dropout=0.5, seed=seed)
        losses = train(architecture, recipe, examples, epochs=3, parameters=parameters).metric("train_loss")
        assert found.setdefault(seed, losses) == losses
    assert found[0] != found[1]
    masks = generator(0, "dropout").random((1000, 2)) >= 0.5
    np.testing.assert_allclose(found[0][0], ((2 * masks.mean(axis=0)) ** 2 / 2).mean(), rtol=1e-12)


@FORMS
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_draw_below_the_rate_leaves_its_unit_out(dtype, compiled):
    """A draw at the rate keeps it. Units have the weights 1, 2, 4, 8, and outputs show which of them are kept."""
    architecture = make_architecture((1, 4, 1), "identity", "squared_error", bias=False)
    parameters = np.array([1, 1, 1, 1, 1, 2, 4, 8], dtype)
    recipe = replace(SGD, dropout=0.75)
    examples = Examples(np.ones((2, 1), dtype), np.zeros((2, 1), dtype))
    below, above = np.nextafter(dtype(0.75), dtype(0)), np.nextafter(dtype(0.75), dtype(1))
    draws = np.array([0.75, 0, below, 0.9, above, 0.9, 0, below], dtype)
    descent = make_descent(architecture, recipe, parameters, compiled=compiled)
    steps = make_steps(descent, whole_block(architecture, examples), [[0.0]], draws)
    assert steps.scores == (4 * (1 + 4)) ** 2 + (4 * (2 + 4)) ** 2
