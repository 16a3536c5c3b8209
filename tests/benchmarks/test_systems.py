"""The published systems: the order of their batches, their figures over a few seeds, and what is said of dead outputs."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from configurations import composed
from databases import new_database
from plainmlp.composition.compose import parse
from plainmlp.config.places import Places
from plainmlp.data.datasets import clusters
from plainmlp.data.stages import fetch, split
from plainmlp.nn.batches import Batches, Examples
from plainmlp.training.construction import build_architecture, draw_parameters
from plainmlp.training.history import read_history, read_steps
from plainmlp.training.model import Model
from plainmlp.training.train import train
from run import run


def configured(name, *overrides):
    return parse(composed(f"experiment={name}", *overrides))


def parts_of(config):
    return split(fetch(config.dataset), config.split, config.dataset.missing)


def test_batches_of_the_clusters_are_those_of_the_published_index():
    config = configured("clusters_minibatch")
    part = parts_of(config).train
    rows = clusters(seed=12).rows
    features, _, targets, _ = train_test_split(rows.features, rows.targets, test_size=0.1, random_state=12)
    batches = Batches(Examples(part.features, part.targets), 3, config.training.batch_size, 1)
    n_batches = -(-len(part) // config.training.batch_size)
    inputs, classes = [], []
    for block in batches.blocks(n_batches):
        for number in range(block.n_batches):
            of_batch, targets_of_batch, _ = block.batch(number)
            inputs.append(of_batch)
            classes.append(targets_of_batch)
    starts = (np.arange(10_001) * 100) % (13_500 - 100)  # as published
    assert len(starts) == config.training.max_steps <= n_batches * config.training.epochs
    np.testing.assert_array_equal(starts, np.arange(10_001) % n_batches * 100)
    for step, start in enumerate(starts[:n_batches]):
        np.testing.assert_array_equal(inputs[step].T, features[start : start + 100])
        np.testing.assert_array_equal(classes[step], targets[start : start + 100])
    assert not config.training.shuffle


@pytest.fixture(scope="module")
def published_sincos():
    """Train the published sine and cosine from eight seeds."""
    config = configured("sincos_published")
    splits = parts_of(config)
    return splits, [train(splits, seed, config.model, config.optimizer, config.training).model for seed in range(8)]


def test_dead_outputs_are_named(published_sincos):
    splits, models = published_sincos
    found = [model.dead_outputs(model.predict(splits.test.features)) for model in models]
    assert [] in found
    for model, dead in zip(models, found, strict=True):
        outputs = model.predict(splits.train.features)
        assert dead == [name for name, values in zip(("sin", "cos"), outputs.T, strict=True) if not values.any()]
    assert any(found)


def test_outputs_of_a_linear_link_are_never_dead(published_sincos):
    _, models = published_sincos
    linear = replace(models[0], architecture=replace(models[0].architecture, loss="squared_error"))
    assert linear.dead_outputs(np.zeros((3, 2))) == []


@pytest.mark.slow
def test_run_warns_of_dead_outputs(published_sincos, tmp_path, capsys):
    splits, models = published_sincos
    dead = [bool(model.dead_outputs(model.predict(splits.test.features))) for model in models]
    store = f"tracking.uri={new_database(tmp_path / 'mlflow.db')}"
    for seed in (dead.index(True), dead.index(False)):
        run(configured("sincos_published", f"seed={seed}", store), tmp_path / str(seed))
        shown = capsys.readouterr().out
        assert ("warning: dead outputs" in shown) == dead[seed]
        share = float(re.search(r"^dead units: (\S+)% of those that can die$", shown, re.MULTILINE).group(1))
        history = read_history(Places(tmp_path / str(seed)).history)
        assert share == pytest.approx(100 * history["dead_units"][-1], abs=0.05)
        start, end = re.findall(r"batch of step (\d+): loss \S+  sum_of_squares (\S+)\n", shown)
        assert (start[0], end[0]) == ("0", "299")
        assert cost_of_first_batch(splits, seed) == pytest.approx(float(start[1]), rel=1e-6)
        assert (float(end[1]) > 5) == dead[seed]
        steps = read_steps(Places(tmp_path / str(seed)).steps)
        assert len(steps["sum_of_squares"]) == 300
        assert steps["sum_of_squares"] == pytest.approx([64 * loss for loss in steps["loss"]])  # 32 samples, halves
        assert (Places(tmp_path / str(seed)).figures / "steps.png").is_file()


def cost_of_first_batch(splits, seed):
    """Return the sum of squares that the initial weights have in the first batch."""
    config = configured("sincos_published")
    architecture = build_architecture(splits, config.model)
    parameters = draw_parameters(architecture, config.model, seed, config.training.dtype)
    first = Model(architecture, parameters, splits.preparation, splits.description)
    return np.square(first.predict(splits.train.features[:32]) - splits.train.targets[:32]).sum()


@pytest.mark.slow
def test_sincos_converges():
    config = configured("sincos")
    splits = parts_of(config)
    for seed in range(6):
        model = train(splits, seed, config.model, config.optimizer, config.training).model
        difference = model.predict(splits.test.features) - splits.test.targets
        assert np.abs(difference).max() < 0.05
