import numpy as np
import pytest

from plainmlp.data.stages import fetch, split
from recorded import configuration, splits_of, write_flats


def test_parts_have_the_sizes_of_the_configuration():
    config = configuration(split__train=1000, split__validation=0.1, split__test=200)
    found = splits_of(config)
    assert {name: len(part) for name, part in found.parts().items()} == {"train": 1000, "validation": 180, "test": 200}
    assert found.description.name == "digits"


def test_seed_of_the_split_decides_the_parts_and_that_of_the_run_does_not():
    data = fetch(configuration().dataset)
    first, same, other = (
        split(data, configuration(seed=seed, split__seed=split_seed).split, "refuse")
        for seed, split_seed in ((0, 0), (9, 0), (0, 9))
    )
    np.testing.assert_array_equal(first.test.features, same.test.features)
    assert not np.array_equal(first.test.features, other.test.features)


def test_preparation_is_fitted_on_the_train_part_alone():
    found = splits_of(configuration())
    inputs = found.preparation.inputs(found.train.features, np.float64)
    varying = inputs.std(axis=0) > 0
    np.testing.assert_allclose(inputs[:, varying].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(inputs[:, varying].std(axis=0), 1)
    assert abs(found.preparation.inputs(found.test.features, np.float64).mean(axis=0)).max() > 1e-3


def test_missing_values_are_filled_as_asked(tmp_path):
    write_flats(tmp_path / "flats.csv")
    fills = []
    for missing in ("mean", "median"):
        table = {"name": "table", "path": str(tmp_path / "flats.csv"), "target": "price", "missing": missing}
        found = splits_of(configuration(**{f"dataset__{key}": value for key, value in table.items()}))
        area = found.train.features[:, 0]
        assert np.isnan(area).any()
        fills.append(found.preparation.fill_values[0])
        assert fills[-1] == pytest.approx({"mean": np.nanmean, "median": np.nanmedian}[missing](area), rel=1e-14)
    assert fills[0] != fills[1]
