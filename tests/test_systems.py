"""The published systems: the order of their batches, their figures over a few seeds, and what is said of dead outputs."""

from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from plainmlp.config import compose, parse
from plainmlp.data.datasets import clusters
from plainmlp.nn.batches import Batches, Examples
from plainmlp.stages.fetch import fetch
from plainmlp.stages.split import split

CONF = Path(__file__).resolve().parents[1] / "conf"


def configured(name, *overrides):
    return parse(compose(CONF, [f"experiment={name}", *overrides]))


def parts_of(config):
    return split(fetch(config.dataset), config.split, config.dataset.missing)


def test_batches_of_the_clusters_are_those_of_the_published_index():
    config = configured("clusters_minibatch")
    train = parts_of(config).train
    rows = clusters(seed=12).rows
    features, _, targets, _ = train_test_split(rows.features, rows.targets, test_size=0.1, random_state=12)
    batches = Batches(Examples(train.features, train.targets), 3, config.training.batch_size, 1, 1)
    blocks = list(batches.ordered())
    inputs = np.concatenate([block.inputs[:, 0] for block in blocks])
    classes = np.concatenate([block.targets[:, 0].argmax(axis=1) for block in blocks])
    starts = (np.arange(10_001) * 100) % (13_500 - 100)  # as published
    assert batches.steps * config.training.epochs >= len(starts) > batches.steps * (config.training.epochs - 1)
    np.testing.assert_array_equal(starts, np.arange(10_001) % batches.steps * 100)
    for step, start in enumerate(starts[: batches.steps]):
        np.testing.assert_array_equal(inputs[step].T, features[start : start + 100])
        np.testing.assert_array_equal(classes[step], targets[start : start + 100])
    assert not config.training.shuffle
