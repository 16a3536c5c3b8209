"""Stage split: from a data set to its parts, and the preparation fitted to the train part."""

from plainmlp.config.schema import Missing, SplitSection
from plainmlp.data.arrays import Dataset, Splits
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.split import split_rows
from plainmlp.data.storage import digest_dataset


def split(data: Dataset, split: SplitSection, missing: Missing) -> Splits:
    """Part the rows and fit the preparation to the train part.

    Parameters
    ----------
    data : Dataset
    split : SplitSection
    missing : {"refuse", "mean", "median"}
        `dataset.missing`.
    """
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
