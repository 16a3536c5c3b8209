"""The split of a data set's rows into train, validation and test parts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import SplitSection
from plainmlp.data.arrays import Description, Part
from plainmlp.data.preparation import Preparation
from plainmlp.data.stored import Array, Rows
from plainmlp.nn.randomness import row_numbers
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts of a data set, still raw, and how they become the inputs of a network.

    Parameters
    ----------
    validation : Part, optional
        None if `split.validation` is 0.
    preparation : Preparation
        Fitted on the train part.
    data_digest : str
        Of the whole data set, as `plainmlp.data.storage.digest_dataset` returns it.
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


Size = int | float
Counts = NDArray[np.integer[Any]]


def split_rows(part: Part, description: Description, split: SplitSection) -> tuple[Part, Part | None, Part]:
    """Split rows into a train, a validation and a test part.

    Parameters
    ----------
    part : Part
        All rows.
    split : SplitSection
        A size is a count, or a fraction of all rows, rounded up (for train down). Train None takes all that the others
        leave; validation 0 makes no such part. If rows are not shuffled, the last ones are the test part and those
        before the validation part. Only a classification is stratified.

    Notes
    -----
    The test part is the one of `sklearn.model_selection.train_test_split(test_size=test, random_state=seed)`; the
    validation part is drawn in the same way from the rest. A train part smaller than the remaining rows is their
    beginning or, if classes are stratified, is drawn in the same way.
    """
    n_train, n_validation, n_test = _counts(len(part), split)
    classes = part.targets if split.stratify and description.task == "classification" else None
    if classes is not None and not split.shuffle:
        message = "split.stratify=true needs split.shuffle=true; set split.stratify=false to keep the rows in order"
        raise InputError(message)

    def part_off(key: str, rows: Rows, n_taken: int) -> tuple[Rows, Rows]:
        if classes is None:
            if not split.shuffle:
                return rows[:-n_taken], rows[-n_taken:]
            np.random.RandomState(split.seed).shuffle(rows)  # in place: `train_test_split` makes several copies
            return rows[n_taken:], rows[:n_taken]
        _check_classes(key, classes[rows], min(n_taken, len(rows) - n_taken), description.class_names)
        return split_by_class(rows, classes[rows], n_taken, split.seed)

    rest, test_rows = part_off("test", row_numbers(len(part)), n_test)
    validation_part = None
    if n_validation:
        rest, validation_rows = part_off("validation", rest, n_validation)
        validation_part = part.take(validation_rows)
    if n_train < len(rest):
        # without strata the first of the shuffled rows are as good a sample as another draw, and keep their order
        rest = rest[:n_train] if classes is None else part_off("train", rest, len(rest) - n_train)[0]
    return part.take(rest), validation_part, part.take(test_rows)


def _counts(n_rows: int, split: SplitSection) -> tuple[int, int, int]:
    """Turn the sizes of the train, validation and test part into counts of rows."""
    n_test, n_validation = (math.ceil(_wanted(size, n_rows)) for size in (split.test, split.validation))
    left = n_rows - n_test - n_validation
    if left < 1:
        message = (
            f"split.validation={split.validation} and split.test={split.test} take {n_validation} and {n_test} of "
            f"{n_rows} rows and leave the train part empty; allowed: less"
        )
        raise InputError(message)
    n_train = left if split.train is None else math.floor(_wanted(split.train, n_rows))
    # The other parts were rounded up, so a fraction may ask for a row too many: it takes all that is left.
    rounding = 2 if isinstance(split.train, float) else 0
    if n_train < 1 or n_train > left + rounding:
        message = (
            f"split.train={split.train} is {n_train} of {n_rows} rows; allowed: 1 to the {left} that the others leave"
        )
        raise InputError(message)
    return n_train, n_validation, n_test


def _wanted(size: Size, n_rows: int) -> float:
    return size * n_rows if isinstance(size, float) else size


def _check_classes(key: str, classes: Array, n_smaller: int, names: tuple[str, ...]) -> None:
    """Refuse classes that are too small, or too many, to be in both parts."""
    present, counts = np.unique(classes, return_counts=True)
    smallest = int(np.argmin(counts))
    index = int(present[smallest])
    if counts[smallest] < 2:
        message = (
            f"split.stratify=true: class {shown(names[index])} has {counts[smallest]} row, "
            f"and split.{key} needs 2; add rows or set split.stratify=false"
        )
        raise InputError(message)
    if n_smaller < len(present):
        message = (
            f"split.{key}: a part of {n_smaller} rows cannot hold each of {len(present)} classes; "
            "take more rows or set split.stratify=false"
        )
        raise InputError(message)


def split_by_class(rows: Rows, classes: Array, n_taken: int, seed: int) -> tuple[Rows, Rows]:
    """Split rows into those that stay and those that are taken.

    Parameters
    ----------
    classes : ndarray of shape (n_rows,), integer
        The class of each row; each at least twice.
    n_taken : int
        At least the number of classes, and as many fewer than there are rows.

    Notes
    -----
    Gives the same parts in the same order as `sklearn.model_selection.train_test_split` with ``stratify=classes``,
    whose lists of Python numbers take 40 bytes a row.
    """
    draws = np.random.RandomState(seed)
    present, counts = np.unique(classes, return_counts=True)
    kept_counts = _shares(counts, len(classes) - n_taken, draws)
    taken_counts = _shares(counts - kept_counts, n_taken, draws)
    kept, taken = np.empty(len(rows) - n_taken, rows.dtype), np.empty(n_taken, rows.dtype)
    ends = zip(np.cumsum(kept_counts), np.cumsum(taken_counts), strict=True)
    for label, n_kept, n_left, (kept_end, taken_end) in zip(present, kept_counts, taken_counts, ends, strict=True):
        of_class = rows[classes == label]
        draws.shuffle(of_class)
        kept[kept_end - n_kept : kept_end] = of_class[:n_kept]
        taken[taken_end - n_left : taken_end] = of_class[n_kept:]
    draws.shuffle(kept)
    draws.shuffle(taken)
    return kept, taken


def _shares(counts: Counts, n_drawn: int, draws: np.random.RandomState) -> Counts:
    """Return how many of each class to draw: its share rounded down, and one more for the largest fractions.

    Draws decide among equal fractions, one draw for each fraction of which only some can be rounded up.
    """
    shares = counts / counts.sum() * n_drawn
    whole: Counts = np.floor(shares).astype(np.intp)
    missing = n_drawn - int(whole.sum())
    fractions = shares - whole
    for fraction in np.unique(fractions)[::-1]:
        if missing <= 0:
            break
        (equal,) = np.nonzero(fractions == fraction)
        chosen = draws.choice(equal, min(len(equal), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    return whole
