"""The stages fetch and split: from the name of a data set to its rows, and to its parts and their preparation."""

import numpy as np

from plainmlp.config.schema import DatasetSection, Missing, SplitSection
from plainmlp.data.arrays import Dataset
from plainmlp.data.datasets import dataset_options, fetch_dataset
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits, split_rows
from plainmlp.data.storage import digest_dataset
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

LARGEST_TARGET = 1e150


def fetch(dataset: DatasetSection) -> Dataset:
    """Return the data set of a configuration."""
    options = {name: getattr(dataset, name) for name in dataset_options(dataset.name)}
    return fetch_dataset(dataset.name, **options)


def split(data: Dataset, split: SplitSection, missing: Missing) -> Splits:
    """Part the rows and fit the preparation to the train part."""
    if data.description.task == "regression":
        _check_targets(data)
    parts = split_rows(data.rows, data.description, split)
    preparation = fit_preparation(parts[0], data.description, split, missing)
    return Splits(*parts, data.description, preparation, digest_dataset(data))


def _check_targets(data: Dataset) -> None:
    """Refuse numbers whose errors cannot be squared, which would be noticed only after the training."""
    wrong = np.argwhere(np.abs(data.rows.targets) > LARGEST_TARGET)
    if len(wrong):
        row, column = wrong[0]
        message = (
            f"the target {shown(data.description.target_names[column])} is {data.rows.targets[row, column]:g} in row "
            f"{row + 1}; allowed: numbers from -{LARGEST_TARGET:g} to {LARGEST_TARGET:g}, whose squares float64 can hold"
        )
        raise InputError(message)
