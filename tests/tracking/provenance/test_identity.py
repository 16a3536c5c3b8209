from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configurations import DEFAULT, composed
from parted import split_section
from plainmlp.composition.compose import parse
from plainmlp.config.canonical import canonical
from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_dataset, digest_splits
from plainmlp.system.digests import digest_json
from plainmlp.tracking.provenance.identity import identify_point

CANONICAL = canonical(parse(DEFAULT))
POINT = identify_point(CANONICAL, "data", None)


def leaves(mapping, path=()):
    for key, value in mapping.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def with_leaf(path: tuple[str, ...], value: object) -> dict:
    changed = deepcopy(CANONICAL)
    section = changed
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    return changed


def is_free(path: tuple[str, ...]) -> bool:
    """Say whether a key can change no result."""
    kept = {"loss_every", "digest_every", "checkpoint_epochs", "checkpoint_seconds", "threads", "compiled"}
    free = {("dataset", "path"), ("model", "weights")} | {("training", key) for key in kept}
    return path[0] in {"animation", "sweep", "tracking"} or path in free


@pytest.mark.parametrize("path", list(leaves(CANONICAL)), ids=".".join)
def test_point_changes_with_what_can_change_a_result_and_nothing_else(path):
    found = identify_point(with_leaf(path, "something else"), "data", None)
    assert (found == POINT) == is_free(path)


def test_point_is_a_digest_of_data_start_and_configuration():
    assert len(POINT) == 64
    assert identify_point(deepcopy(CANONICAL), "data", None) == POINT
    assert len({POINT, identify_point(CANONICAL, "other", None), identify_point(CANONICAL, "data", "start")}) == 3


@pytest.mark.parametrize("override", ["hydra.verbose=true", "hydra/job_logging=default", "hydra.run.dir=elsewhere"])
def test_log_level_and_folders_do_not_count(override):
    assert identify_point(canonical(parse(composed(override))), "data", None) == POINT


ROWS = Part(np.array([[0.5, 0.0], [-1.5, 1.0], [0.25, 1.0]]), np.array([0, 1, 1]), np.array([1.0, 0.5, 2.0]))
MEANING = Description("table", "classification", (Column("x"), Column("y")), ("kind",), ("a", "b"))
DATASET = Dataset(ROWS, MEANING)
PREPARATION = fit_preparation(ROWS, MEANING, split_section(), "refuse")


def point_of_data(dataset: Dataset) -> str:
    splits = Splits(dataset.rows, None, ROWS, dataset.description, PREPARATION, digest_dataset(dataset))
    return identify_point(CANONICAL, digest_splits(splits), None)


@given(name=st.sampled_from(["features", "targets", "weights"]), place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_each_bit_of_the_data_counts(name, place, bit):
    array = getattr(ROWS, name).copy()
    view = array.reshape(-1).view(np.uint8)
    view[place % len(view)] ^= 1 << bit
    flipped = replace(DATASET, rows=replace(ROWS, **{name: array}))
    assert digest_dataset(flipped) != digest_dataset(DATASET)
    assert point_of_data(flipped) != point_of_data(DATASET)


@pytest.mark.parametrize(
    "changes",
    [{"columns": (Column("x"), Column("y", ("no", "yes")))}, {"class_names": ("b", "a")}, {"task": "multilabel"}],
)
def test_what_the_data_means_counts(changes):
    other = Dataset(ROWS, replace(MEANING, **changes))
    assert digest_dataset(other) != digest_dataset(DATASET)
    assert point_of_data(other) != point_of_data(DATASET)
    assert point_of_data(Dataset(ROWS, replace(MEANING))) == point_of_data(DATASET)


def test_dtype_of_the_data_counts():
    halved = replace(ROWS, features=ROWS.features.astype(np.float32))
    assert (halved.features == ROWS.features).all()
    assert point_of_data(replace(DATASET, rows=halved)) != point_of_data(DATASET)


def test_order_of_keys_does_not_matter():
    assert identify_point(dict(reversed(CANONICAL.items())), "data", None) == POINT
    assert digest_json({"a": 1, "b": [1.5, None]}) == digest_json({"b": [1.5, None], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        digest_json(float("nan"))
