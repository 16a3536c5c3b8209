"""The split of a data set's rows into train, validation and test parts."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plainmlp.data.arrays import Array, Part, Task
from plainmlp.data.strata import part_by_class
from plainmlp.nn.randomness import row_numbers
from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown

Rows = NDArray[np.integer[Any]]
Size = int | float


def split_rows(
    part: Part,
    task: Task,
    *,
    train: Size | None,
    validation: Size,
    test: Size,
    stratify: bool,
    shuffle: bool,
    seed: int,
    class_names: tuple[str, ...] = (),
) -> tuple[Part, Part | None, Part]:
    """Split rows into a train, a validation and a test part.

    Parameters
    ----------
    part : Part
        All rows.
    task : {"classification", "multilabel", "regression"}
        Only a classification is stratified.
    train, validation, test : int or float
        A count, or a fraction of all rows, rounded up (for train down). Train None takes all that the others
        leave; validation 0 makes no such part.
    stratify : bool
        Whether each part of a classification holds the classes in their proportions.
    shuffle : bool
        Whether rows are drawn at random; if not, the last rows are the test part and those before the validation part.
    seed : int
        For every draw.
    class_names : tuple of str, optional
        The words for the classes in messages; without it they are numbered.

    Returns
    -------
    train : Part
    validation : Part or None
    test : Part

    Raises
    ------
    InputError
        A part would be empty, the parts exceed the rows, or a class is too small to stratify.

    Notes
    -----
    The test part is that of `sklearn.model_selection.train_test_split(test_size=test, random_state=seed)`; the
    validation part is drawn in the same way from the rest. A train part that is not all the rest is its first rows, and
    where classes are stratified drawn in the same way.
    """
    n_train, n_validation, n_test = _counts(len(part), train, validation, test)
    classes = part.targets if stratify and task == "classification" else None
    if classes is not None and not shuffle:
        message = "split.stratify=true needs split.shuffle=true; set split.stratify=false to keep the rows in order"
        raise InputError(message)
    parting = _Parting(classes, class_names, shuffle, seed)
    rest, test_rows = parting("test", row_numbers(len(part)), n_test)
    validation_part = None
    if n_validation:
        rest, validation_rows = parting("validation", rest, n_validation)
        validation_part = part.take(validation_rows)
    if n_train < len(rest):
        # without strata the first of rows in random order are a sample as good as another draw, and keep their order
        rest = rest[:n_train] if classes is None else parting("train", rest, len(rest) - n_train)[0]
    return part.take(rest), validation_part, part.take(test_rows)


def _counts(n_rows: int, train: Size | None, validation: Size, test: Size) -> tuple[int, int, int]:
    """Turn the sizes into counts of rows."""
    for key, size in {"train": train, "test": test}.items():
        if size == 0:
            message = f"split.{key}={size} leaves the {key} part empty; allowed: a count of rows or a fraction above 0"
            raise InputError(message)
    n_test, n_validation = (math.ceil(_wanted(size, n_rows)) for size in (test, validation))
    left = n_rows - n_test - n_validation
    if left < 1:
        message = (
            f"split.validation={validation} and split.test={test} take {n_validation} and {n_test} of {n_rows} rows "
            "and leave the train part empty; allowed: less"
        )
        raise InputError(message)
    return left if train is None else _train_count(n_rows, train, left), n_validation, n_test


def _train_count(n_rows: int, train: Size, left: int) -> int:
    # The other parts were rounded up, so a fraction may be short of rows by the rounding: it takes all that is left.
    rounding = 2 if isinstance(train, float) else 0
    n_train = math.floor(_wanted(train, n_rows))
    if n_train < 1 or n_train > left + rounding:
        message = f"split.train={train} is {n_train} of {n_rows} rows; allowed: 1 to the {left} that the others leave"
        raise InputError(message)
    return n_train


def _wanted(size: Size, n_rows: int) -> float:
    return size * n_rows if isinstance(size, float) else size


@dataclass(frozen=True, eq=False)
class _Parting:
    """Takes a number of rows away from others, always in the same way."""

    classes: Array | None
    names: tuple[str, ...]
    shuffle: bool
    seed: int

    def __call__(self, key: str, rows: Rows, n_taken: int) -> tuple[Rows, Rows]:
        if self.classes is None:
            return self._without_strata(rows, n_taken)
        classes = self.classes[rows]
        self._check(key, classes, min(n_taken, len(rows) - n_taken))
        return part_by_class(rows, classes, n_taken, self.seed)

    def _without_strata(self, rows: Rows, n_taken: int) -> tuple[Rows, Rows]:
        """Part rows as `train_test_split` does, but in place: of very many rows it would make several copies."""
        if not self.shuffle:
            return rows[:-n_taken], rows[-n_taken:]
        np.random.RandomState(self.seed).shuffle(rows)
        return rows[n_taken:], rows[:n_taken]

    def _check(self, key: str, classes: Array, n_smaller: int) -> None:
        """Refuse classes that are too small, or too many, to be in both parts."""
        present, counts = np.unique(classes, return_counts=True)
        smallest = int(np.argmin(counts))
        index = int(present[smallest])
        name = self.names[index] if self.names else str(index)
        if counts[smallest] < 2:
            message = (
                f"split.stratify=true: class {shown(name)} has {counts[smallest]} row where split.{key} parts the "
                "rows; 2 are needed; add rows or set split.stratify=false"
            )
            raise InputError(message)
        if n_smaller < len(present):
            message = (
                f"split.{key}: a part of {n_smaller} rows cannot hold each of {len(present)} classes; "
                "take more rows or set split.stratify=false"
            )
            raise InputError(message)
