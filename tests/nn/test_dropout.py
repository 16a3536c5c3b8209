import math
from dataclasses import replace

import numpy as np
import pytest

from nn.networks import make_architecture, metric, train
from plainmlp.nn.batches import Examples
from plainmlp.nn.network import Network
from plainmlp.nn.randomness import generator
from plainmlp.nn.recipe import Recipe

SGD = Recipe(optimizer="sgd", learning_rate=1.0)


def ones_network(n_hidden):
    """Return a linear network whose output, for the input 1, is the mean of its hidden units' masks."""
    network = Network(
        [make_architecture((1, n_hidden, 1), "identity", "squared_error", bias=False)], np.ones((1, 2 * n_hidden))
    )
    network.layers.weights[1][...] = 1 / n_hidden
    return network


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_leaves_out_its_share_and_scales_the_rest(rate):
    """With target 0 the loss is z^2 / 2, and z (1 - rate) n counts the units that were kept."""
    n_hidden, examples = 10_000, Examples(np.ones((1, 1)), np.zeros((1, 1)))
    recipe = replace(SGD, learning_rate=1e-300, dropout=rate)
    epochs = train(ones_network(n_hidden), [recipe], examples, examples, epochs=5)
    kept = np.sqrt(2 * np.array(metric(epochs, "train_loss"))) * (1 - rate) * n_hidden
    np.testing.assert_allclose(kept, np.round(kept), atol=1e-6)
    assert (np.abs(kept - (1 - rate) * n_hidden) < 5 * math.sqrt(rate * (1 - rate) * n_hidden)).all()
    assert len(set(np.round(kept))) > 1
    np.testing.assert_allclose(metric(epochs, "validation_loss"), 0.5, rtol=1e-12)  # nothing is left out here


def test_dropout_masks_come_from_the_seed_and_differ_between_samples():
    examples = Examples(np.ones((2, 1)), np.zeros((2, 1)))
    found = {}
    for seed in (0, 0, 1):
        recipe = replace(SGD, learning_rate=1e-300, dropout=0.5, seed=seed)
        losses = metric(train(ones_network(1000), [recipe], examples, epochs=3), "train_loss")
        assert found.setdefault(seed, losses) == losses
    assert found[0] != found[1]
    masks = generator(0, "dropout").random((1000, 2)) >= 0.5
    np.testing.assert_allclose(found[0][0], ((2 * masks.mean(axis=0)) ** 2 / 2).mean(), rtol=1e-12)
