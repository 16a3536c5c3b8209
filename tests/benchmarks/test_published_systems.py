"""How the published systems are trained: one seed after another, each as the stage `train` does it."""

import numpy as np
import pytest

from plainmlp.training.train import train
from published import train_system

FEW = ("dataset.n_samples=640", "split.test=64", "training.epochs=3")


def test_each_seed_is_a_training_and_the_first_is_timed():
    system = train_system("sincos", 2, *FEW)
    config = system.config
    for seed, trained in enumerate(system.trained):
        alone = train(system.splits, seed, config.model, config.optimizer, config.training)
        assert trained.history == alone.history
    first, second = system.trained
    assert first.history != second.history
    assert len(system.test("largest_error")) == len(system.dead()) == 2
    assert len(system.times) == 3
    assert (np.diff(system.times) > 0).all()


def test_a_training_that_fails_ends_the_command():
    with (
        np.errstate(all="ignore"),
        pytest.raises(SystemExit, match="error: sincos: the loss is not finite"),
    ):
        train_system("sincos", 1, *FEW, "optimizer.learning_rate=1e30")
