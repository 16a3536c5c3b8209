"""The stages fetch and split: from the name of a data set to its rows, and to its parts and their preparation."""

from plainmlp.config.schema import DatasetSection, Missing, SplitSection
from plainmlp.data.arrays import Dataset
from plainmlp.data.datasets import dataset_options, fetch_dataset
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits, split_rows
from plainmlp.data.storage import digest_dataset


def fetch(dataset: DatasetSection) -> Dataset:
    """Return the data set of a configuration."""
    options = {name: getattr(dataset, name) for name in dataset_options(dataset.name)}
    return fetch_dataset(dataset.name, **options)


def split(data: Dataset, split: SplitSection, missing: Missing) -> Splits:
    """Part the rows and fit the preparation to the train part."""
    parts = split_rows(
        data.rows,
        data.description.task,
        train=split.train,
        validation=split.validation,
        test=split.test,
        stratify=split.stratify,
        shuffle=split.shuffle,
        seed=split.seed,
        class_names=data.description.class_names,
    )
    preparation = fit_preparation(
        parts[0],
        data.description,
        missing=missing,
        scaling=split.scaling,
        target_scaling=split.target_scaling,
    )
    return Splits(*parts, data.description, preparation, digest_dataset(data))
