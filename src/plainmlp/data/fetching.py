"""Stage fetch: from its name and options to a data set."""

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Dataset
from plainmlp.data.datasets import dataset_options, fetch_dataset


def fetch(dataset: DatasetSection) -> Dataset:
    """Return the data set of a configuration."""
    options = {name: getattr(dataset, name) for name in dataset_options(dataset.name)}
    return fetch_dataset(dataset.name, **options)
