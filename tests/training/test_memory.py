"""A training that does not fit the memory is refused before it begins, and one that fits is not."""

import numpy as np
import pytest

from plainmlp.data.datasets import fetch_dataset
from plainmlp.data.stages import split
from plainmlp.system.errors import InputError
from plainmlp.training.train import train_configured
from recorded import configuration, splits_of
from stored import left_in_its_file, npy_folder


def test_network_that_does_not_fit_with_its_inputs_is_refused_at_once(monkeypatch):
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "16")
    config = configuration(model__hidden_sizes=[10**7])
    with pytest.raises(InputError, match=r"\(model.hidden_sizes, training.epochs\) would take about 24.0 GB"):
        train_configured(config, splits_of(config))


def test_steps_that_end_a_training_early_count(monkeypatch):
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.01")
    config = configuration(model__hidden_sizes=[8], training__epochs=10**12, training__max_steps=5)
    assert len(train_configured(config, splits_of(config)).history["train_loss"]) == 1


def test_rows_that_stay_in_their_file_are_not_counted(monkeypatch, tmp_path):
    config = configuration(model__hidden_sizes=[2], training__epochs=1)
    folder = npy_folder(tmp_path, np.ones((2000, 200)), np.arange(2000) % 2)
    datasets = left_in_its_file(folder), fetch_dataset("npy", path=str(folder))
    monkeypatch.setenv("PLAINMLP_MEMORY_GB", "0.001")
    for dataset in datasets:
        splits = split(dataset, config.split, "refuse")
        if isinstance(dataset.rows.features, np.ndarray):
            with pytest.raises(InputError, match="on 340000 numbers in 1 epochs"):
                train_configured(config, splits)
        else:
            train_configured(config, splits)


def test_points_without_end_are_not_drawn():
    with pytest.raises(InputError, match=r"^dataset.n_samples=1000000000000: drawing so many points would take"):
        fetch_dataset("sincos", n_samples=10**12)
