import numpy as np
import pytest

from plainmlp.data.datasets import dataset_options
from plainmlp.data.stages import fetch
from recorded import configuration, write_flats


@pytest.mark.parametrize(
    ("name", "values", "rows", "task"),
    [
        ("digits", {}, 1797, "classification"),
        ("clusters", {"seed": 12}, 15000, "classification"),
        ("sincos", {"n_samples": 50, "seed": 1}, 80, "regression"),
    ],
)
def test_dataset_of_the_configuration_is_fetched(name, values, rows, task):
    config = configuration(dataset__name=name, **{f"dataset__{key}": value for key, value in values.items()})
    first, again = fetch(config.dataset), fetch(config.dataset)
    assert (first.description.name, first.description.task, len(first.rows)) == (name, task, rows)
    np.testing.assert_array_equal(first.rows.features, again.rows.features)


def test_options_reach_the_data_set(tmp_path):
    write_flats(tmp_path / "flats.csv")
    values = {"path": str(tmp_path / "flats.csv"), "target": "rooms", "missing": "mean", "sample_weights": "price"}
    config = configuration(
        dataset__name="table", dataset__task="regression", **{f"dataset__{key}": value for key, value in values.items()}
    )
    assert values.keys() <= set(dataset_options("table"))
    found = fetch(config.dataset)
    assert found.description.target_names == ("rooms",)
    assert [column.name for column in found.description.columns] == ["area", "city", "garden", "kind"]
    assert found.rows.weights is not None
    assert found.description.task == "regression"
