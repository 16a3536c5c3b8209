import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from parted import split_section
from plainmlp.data.arrays import Column, Description, Part
from plainmlp.data.splits import split_by_class, split_rows
from plainmlp.system.errors import InputError


def part_of(n_rows, n_classes=3):
    rows = np.arange(n_rows)
    return Part(rows[:, np.newaxis] + 0.5, rows % n_classes, rows * 2.0)


def split(part, task="classification", **options):
    description = Description("data", task, (Column("x"),), ("y",), ("a", "b", "rare"))
    return split_rows(part, description, split_section(**options))


def rows_of(part):
    return (part.features[:, 0] - 0.5).astype(int)


@pytest.mark.parametrize(("n_rows", "test", "seed"), [(15_000, 0.1, 12), (8_000, 0.15, 42)])
def test_the_test_part_is_that_of_train_test_split(n_rows, test, seed):
    part = part_of(n_rows)
    expected = train_test_split(part.features, part.targets, part.weights, test_size=test, random_state=seed)
    train, validation, tested = split(part, validation=0, test=test, seed=seed, stratify=False)
    assert validation is None
    for chosen, kept, taken in zip(("features", "targets", "weights"), expected[::2], expected[1::2], strict=True):
        np.testing.assert_array_equal(getattr(train, chosen), kept)
        np.testing.assert_array_equal(getattr(tested, chosen), taken)


@given(
    counts=st.lists(st.integers(2, 30), min_size=1, max_size=9),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_parts_by_class_are_those_of_train_test_split(counts, share, seed):
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n_taken = len(counts) + round(share * (len(classes) - 2 * len(counts)))
    rows = np.arange(len(classes)) * 3
    expected = train_test_split(rows, test_size=n_taken, random_state=seed, stratify=classes)
    for part, other in zip(split_by_class(rows, classes, n_taken, seed), expected, strict=True):
        np.testing.assert_array_equal(part, other)


def test_the_validation_part_leaves_the_test_part_alone():
    part = part_of(101)
    _, _, alone = split(part, validation=0)
    train, validation, tested = split(part)
    np.testing.assert_array_equal(rows_of(tested), rows_of(alone))
    assert (len(train), len(validation), len(tested)) == (69, 16, 16)


@given(
    n_rows=st.integers(20, 60),
    validation=st.one_of(st.integers(0, 5), st.floats(0, 0.3)),
    test=st.one_of(st.integers(1, 5), st.floats(0.01, 0.3)),
    train=st.one_of(st.none(), st.integers(1, 5), st.floats(0.1, 0.3)),
    shuffle=st.booleans(),
)
def test_every_row_is_in_one_part_at_most(n_rows, validation, test, train, shuffle):
    sizes = {"train": train, "validation": validation, "test": test}
    parts = split(part_of(n_rows), "regression", shuffle=shuffle, **sizes)
    rows = np.concatenate([rows_of(part) for part in parts if part is not None])
    assert len(set(rows.tolist())) == len(rows)
    if train is None:
        assert len(rows) == n_rows
    for name, part in zip(sizes, parts, strict=True):
        if isinstance(sizes[name], int):
            assert (0 if part is None else len(part)) == sizes[name]
        assert part is None or len(part) > 0


@pytest.mark.parametrize("zero", [0, 0.0])
def test_zero_is_no_validation_part(zero):
    assert split(part_of(30), validation=zero)[1] is None


def test_stratified_parts_keep_the_proportions_of_the_classes():
    targets = np.repeat([0, 1, 2], [60, 30, 10])
    part = Part(np.arange(100.0)[:, np.newaxis], targets)
    train, validation, tested = split(part, train=0.4, validation=0.2, test=20)
    assert [np.bincount(each.targets).tolist() for each in (train, validation, tested)] == [
        [24, 12, 4],
        [12, 6, 2],
        [12, 6, 2],
    ]


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_only_a_classification_is_stratified(task):
    part = Part(np.arange(10.0)[:, np.newaxis], np.arange(10.0)[:, np.newaxis])
    assert len(split(part, task)[0]) == 6


def test_without_shuffling_the_last_rows_are_the_test_part():
    train, validation, tested = split(part_of(10), shuffle=False, stratify=False, validation=2, test=3)
    assert [rows_of(each).tolist() for each in (train, validation, tested)] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


def test_the_seed_alone_decides():
    first, again, other = (rows_of(split(part_of(40), seed=seed)[0]).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_fractions_that_make_a_whole_fit_in_spite_of_rounding():
    assert [len(each) for each in split(part_of(15), "regression", train=0.8, validation=0.1, test=0.1)] == [11, 2, 2]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"train": 0.01}, "split.train=0.01 is 0 of 30 rows"),
        ({"train": 21}, "split.train=21 is 21 of 30 rows; allowed: 1 to the 20 that the others leave"),
        ({"train": 0.9}, "split.train=0.9 is 27 of 30 rows"),
        ({"test": 30}, "split.validation=0.15 and split.test=30 take 5 and 30 of 30 rows"),
        ({"validation": 0.5, "test": 0.5}, "leave the train part empty"),
        ({"validation": 26}, "leave the train part empty"),
    ],
)
def test_sizes_that_leave_a_part_empty_are_refused(sizes, words):
    with pytest.raises(InputError) as caught:
        split(part_of(30), **sizes)
    assert words in str(caught.value)


def test_a_class_too_small_is_named():
    part = Part(np.arange(20.0)[:, np.newaxis], np.array([0] * 10 + [1] * 9 + [2]))
    with pytest.raises(
        InputError, match=r"class 'rare' has 1 row, and split.test needs 2; .* set split.stratify=false"
    ):
        split(part)
    assert len(split(part, stratify=False)[0]) == 14


def test_a_class_that_the_test_part_leaves_too_small_is_named():
    part = Part(np.arange(40.0)[:, np.newaxis], np.array([0] * 20 + [1] * 18 + [2] * 2))
    with pytest.raises(InputError, match=r"class 'rare' has 1 row, and split.validation"):
        split(part, validation=10, test=20)


def test_a_part_with_fewer_rows_than_classes_is_refused():
    with pytest.raises(InputError, match=r"split.test: a part of 2 rows cannot hold each of 3 classes"):
        split(part_of(30), test=2)


def test_rows_in_order_cannot_be_stratified():
    with pytest.raises(InputError, match=r"split.stratify=true needs split.shuffle=true"):
        split(part_of(30), shuffle=False)
