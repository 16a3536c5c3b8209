"""The published figures of the clusters network, and where its initial weights come from."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from plainmlp.composition.compose import compose, parse
from plainmlp.config.inputs import found_inputs
from plainmlp.data.stages import fetch, split
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.training.model import load_layers
from plainmlp.training.train import train

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]


def published_weights():
    """Draw the data, two pairs of weights that the notebook threw away, and the pair that it trained."""
    stream = np.random.RandomState(12)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "covariance is not symmetric positive-semidefinite")
        for mean, covariance in (
            ((0, 0), ((2, 0.75), (0.75, 2))),
            ((1, 4), ((1, 0.75), (0.75, 1))),
            ((2, 8), ((0, 0.75), (0.75, 0))),
        ):
            stream.multivariate_normal(mean, covariance, 5000)
    for _ in range(3):
        pair = stream.normal(size=(2, 5)), stream.normal(size=(5, 3))
    return pair


def test_weights_file_holds_the_third_pair_of_draws():
    first, second = published_weights()
    parameters, _ = load_layers(ROOT / "weights" / "clusters_published.safetensors")
    np.testing.assert_array_equal(parameters, np.concatenate([first.ravel(), second.ravel(), np.zeros(8)]))


def test_clusters_reach_the_published_losses_and_accuracy():
    config = found_inputs(parse(compose(ROOT / "conf", ["experiment=clusters_published"])), ROOT)
    splits = split(fetch(config.dataset), config.split, config.dataset.missing)
    trained = train(splits, config.seed, config.model, config.optimizer, config.training)
    losses = trained.history["train_loss"]
    assert len(losses) == 5001
    assert trained.steps["step"] == list(range(0, 5001, 100))
    assert trained.steps["loss"] == losses[::100]
    assert losses[0] == pytest.approx(2.97031571897, rel=1e-6)
    assert losses[5000] == pytest.approx(0.227432713332, rel=1e-6)
    assert evaluate(trained.model, splits, config.seed).metrics["test"]["accuracy"] == 0.964
