import gzip
import struct
import warnings
from pathlib import Path

import mpmath
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from entries import known
from parted import split_section
from plainmlp.config.schema import DatasetSection
from plainmlp.data.datasets import DATASETS, dataset_options, fetch_dataset
from plainmlp.data.splits import split_rows
from plainmlp.data.storage import digest_arrays
from plainmlp.data.sums import sine_and_cosine
from plainmlp.system.errors import InputError
from stored import npy_folder

ROOT = Path(__file__).resolve().parents[2]
MNIST_8K = ROOT / ".." / "shared" / "data" / "mnist-8k"


def idx_folder(folder, labels):
    images = np.arange(len(labels) * 6, dtype=np.uint8)
    header = struct.pack(">4B3I", 0, 0, 8, 3, len(labels), 2, 3)
    (folder / "images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = struct.pack(">4BI", 0, 0, 8, 1, len(labels))
    (folder / "labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + bytes(labels)))
    return str(folder)


@pytest.fixture
def options(tmp_path):
    pd.DataFrame({"x": [1, 2, 3, 4], "y": list("abab")}).to_csv(tmp_path / "data.csv", index=False)
    return {
        "clusters": {"seed": 1},
        "sincos": {"seed": 1, "n_samples": 40},
        "digits": {},
        "mnist": {"path": idx_folder(tmp_path, [3, 9])},
        "table": {"path": str(tmp_path / "data.csv"), "target": "y"},
        "npy": {"path": str(npy_folder(tmp_path / "npy", np.ones((4, 2)), np.array([0, 1, 0, 2])))},
    }


@pytest.mark.parametrize("name", sorted(set(DATASETS) - {"openml"}))
def test_every_data_set_keeps_the_contract(name, options):
    dataset, again = (
        fetch_dataset(name, **known(options, name, "`options` in tests/data/test_datasets.py")) for _ in range(2)
    )
    rows, description = dataset.rows, dataset.description
    assert description.name == name
    assert rows.features.shape == (len(rows.targets), len(description.columns))
    assert len({column.name for column in description.columns}) == len(description.columns)
    assert np.isfinite(rows.features).all()
    assert digest_arrays(rows.features, rows.targets) == digest_arrays(again.rows.features, again.rows.targets)
    if description.task == "classification":
        assert rows.targets.dtype == np.int64
        assert set(rows.targets.tolist()) <= set(range(len(description.class_names)))
    else:
        assert rows.targets.shape == (len(rows), len(description.target_names))
    if description.image_shape:
        assert np.prod(description.image_shape) == rows.features.shape[1]


@pytest.mark.parametrize("name", DATASETS)
def test_options_are_keys_of_the_configuration(name):
    assert set(dataset_options(name)) <= set(DatasetSection.model_fields)


def test_options_that_are_none_stand_for_the_default():
    assert len(fetch_dataset("sincos", seed=None, n_samples=None).rows) == 9630


def test_clusters_are_the_published_ones():
    """The loss before the first update, as published: it hangs on every draw and on the split."""
    dataset = fetch_dataset("clusters", seed=12)
    assert dataset.rows.features.dtype == np.float32
    section = split_section(validation=0, test=0.1, stratify=False, seed=12)
    train, _, test = split_rows(dataset.rows, dataset.description, section)
    assert (len(train), len(test)) == (13_500, 1_500)
    draws = np.random.RandomState(12)
    draws.standard_normal(2 * 15_000)
    for _ in range(3):
        first, second = draws.normal(size=(2, 5)), draws.normal(size=(5, 3))
    scores = np.maximum(train.features @ first, 0) @ second
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    chosen = exponentials[np.arange(len(train)), train.targets] / exponentials.sum(axis=1)
    penalty = 0.5 * 0.01 * ((first**2).sum() + (second**2).sum())
    assert -np.log(chosen).mean() + penalty == pytest.approx(2.97031571897, abs=1e-7)


@pytest.mark.parametrize("seed", [0, 12])
def test_clusters_are_the_draws_of_numpy(seed):
    draws = np.random.RandomState(seed)
    recipe = [((0, 0), (2, 2)), ((1, 4), (1, 1)), ((2, 8), (0, 0))]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "covariance is not symmetric positive-semidefinite", RuntimeWarning)
        clouds = [draws.multivariate_normal(mean, [[a, 0.75], [0.75, b]], 5000) for mean, (a, b) in recipe]
    features = fetch_dataset("clusters", seed=seed).rows.features
    np.testing.assert_allclose(features, np.concatenate(clouds), rtol=1e-6, atol=1e-6)


def test_sine_and_cosine_are_within_one_unit_in_the_last_place():
    x = np.concatenate([np.random.default_rng(0).random(2000), np.linspace(0.785, 0.786, 100), [0, 1, 1e-300, 2**-27]])
    with mpmath.workprec(120):
        for found, exact in zip(sine_and_cosine(x), (mpmath.sin, mpmath.cos), strict=True):
            errors = [abs(mpmath.mpf(float(y)) - exact(mpmath.mpf(float(t)))) for y, t in zip(found, x, strict=True)]
            assert max(float(error / float(np.spacing(y))) for error, y in zip(errors, found, strict=True)) < 1


def test_points_of_sincos():
    dataset = fetch_dataset("sincos", seed=3, n_samples=50)
    points = dataset.rows.features[:, 0]
    np.testing.assert_array_equal(points[50:], np.linspace(0, 1, 30))
    assert len(np.unique(points[:50])) == 50
    assert points.min() >= 0
    assert points[:50].max() < 1
    np.testing.assert_allclose(dataset.rows.targets, np.column_stack([np.sin(points), np.cos(points)]), rtol=4e-16)
    assert digest_arrays(points) != digest_arrays(fetch_dataset("sincos", seed=4, n_samples=50).rows.features[:, 0])


def test_digits_are_whole_numbers_of_an_image():
    dataset = fetch_dataset("digits")
    assert dataset.rows.features.dtype == np.uint8
    assert dataset.rows.features.shape == (1797, 64)
    assert dataset.rows.features.max() == 16
    assert dataset.description.columns[9].name == "pixel_1_1"
    features, labels = load_digits(return_X_y=True)
    np.testing.assert_array_equal(dataset.rows.features, features)
    np.testing.assert_array_equal(dataset.rows.targets, labels)


def test_mnist_comes_from_a_folder(tmp_path):
    dataset = fetch_dataset("mnist", path=idx_folder(tmp_path, [7, 0]))
    assert dataset.rows.features.dtype == np.uint8
    np.testing.assert_array_equal(dataset.rows.features, np.arange(12).reshape(2, 6))
    assert dataset.rows.targets.tolist() == [7, 0]
    assert dataset.description.image_shape == (2, 3)
    assert dataset.description.columns[4].name == "pixel_1_1"


def test_labels_that_are_no_digits_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds the label 10; allowed: 0 to 9"):
        fetch_dataset("mnist", path=idx_folder(tmp_path, [7, 10]))


@pytest.mark.skipif(not MNIST_8K.is_dir(), reason="the 8,000 real digits are not beside the repository")
def test_real_mnist_digits():
    dataset = fetch_dataset("mnist", path=str(MNIST_8K))
    assert dataset.rows.features.shape == (8000, 784)
    assert dataset.description.image_shape == (28, 28)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_the_same_from_either_format(tmp_path, suffix):
    frame = pd.DataFrame({"x": [1.5, 2, 3, 4], "kind": list("uvuv"), "y": list("abab")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    rows = fetch_dataset("table", path=str(tmp_path / f"t.{suffix}"), target="y").rows
    np.testing.assert_array_equal(rows.features, [[1.5, 0], [2, 1], [3, 0], [4, 1]])
    assert rows.targets.tolist() == [0, 1, 0, 1]
