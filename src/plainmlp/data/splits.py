"""What data is once it is split: its parts, and how they become the inputs of a network."""

from dataclasses import dataclass

from plainmlp.data.arrays import Description, Part
from plainmlp.data.preparation import Preparation


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts of a data set, still raw, and how they become the inputs of a network.

    Parameters
    ----------
    validation : Part, optional
        None where none was asked for.
    preparation : Preparation
        Fitted on the train part.
    data_digest : str
        Of the data set that the parts are of, as `plainmlp.data.storage.digest_dataset` returns it.
    """

    train: Part
    validation: Part | None
    test: Part
    description: Description
    preparation: Preparation
    data_digest: str

    def parts(self) -> dict[str, Part]:
        """Return the parts that exist, by name, in the order train, validation, test."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}
