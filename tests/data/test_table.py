import datetime

import numpy as np
import pandas as pd
import pytest

from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column
from plainmlp.data.cells import Cells
from plainmlp.data.table import table_dataset
from plainmlp.system.errors import InputError

FEATURE = [0.5, 1.5, 2.5, 3.5]


def cells_of(columns, *, typed=False):
    frame = pd.DataFrame(columns)
    return Cells(frame, "data.csv", None if typed else range(2, 2 + len(frame)))


def dataset_of(columns, *, typed=False, **options):
    return table_dataset(cells_of(columns, typed=typed), DatasetSection(name="table", **{"target": "y", **options}))


def refusal(columns, *, typed=False, **options):
    with pytest.raises(InputError) as caught:
        dataset_of(columns, typed=typed, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_kind_of_column_is_encoded():
    columns = {
        "colour": ["red", "blue", None, "red"],
        "size": [1, 2, 3, 4],
        "old": [True, False, True, True],
        "new": [True, None, False, False],
        "huge": [10**30, 1, 2, 3],
        "group": pd.Categorical([10, 9, None, 9]),
        "y": list("abca"),
    }
    dataset = dataset_of(columns, missing="mean")
    assert dataset.description.columns == (
        Column("colour", ("blue", "red")),
        Column("size"),
        Column("old"),
        Column("new"),
        Column("huge"),
        Column("group", ("9", "10")),
    )
    nan = np.nan
    expected = [
        [1, 1, 1, 1, 1e30, 1],
        [0, 2, 0, nan, 1, 0],
        [nan, 3, 1, 0, 2, nan],
        [1, 4, 1, 0, 3, 0],
    ]
    np.testing.assert_array_equal(dataset.rows.features, expected)
    assert dataset.rows.features.dtype == np.float64


@pytest.mark.parametrize(
    ("target", "class_names"),
    [
        (["b", "a", "c", "a"], ("a", "b", "c")),
        ([True, False, True, True], ("False", "True")),
        ([10, 9, 10, 2], ("2", "9", "10")),
        (pd.Categorical([1.0, 2.0, 1.0, 2.0]), ("1", "2")),
    ],
)
def test_classes_are_recognised(target, class_names):
    dataset = dataset_of({"x": FEATURE, "y": target})
    assert dataset.description.task == "classification"
    assert dataset.description.class_names == class_names
    assert dataset.rows.targets.dtype == np.int64
    assert [class_names[index] for index in dataset.rows.targets] == [
        str(int(label)) if isinstance(label, float) else str(label) for label in target
    ]


@pytest.mark.parametrize(
    ("target", "task"),
    [(list(range(20)), "classification"), (list(range(21)), "regression"), ([0.0, 1.0] * 10, "regression")],
)
def test_whole_numbers_are_classes_where_they_are_few(target, task):
    assert dataset_of({"x": range(len(target)), "y": target}).description.task == task


def test_the_task_can_be_set():
    numbers = {"x": FEATURE, "y": [1, 2, 1, 2]}
    regression = dataset_of(numbers, task="regression")
    assert regression.description.task == "regression"
    assert regression.description.class_names == ()
    np.testing.assert_array_equal(regression.rows.targets, [[1], [2], [1], [2]])
    classes = dataset_of({"x": FEATURE, "y": [0.5, 2.0, 0.5, 2.0]}, task="classification")
    assert classes.description.class_names == ("0.5", "2")


def test_labels_that_are_numbers_but_one_are_classes_if_told_so():
    columns = {"x": FEATURE, "y": ["1", "2", "2", "other"]}
    assert dataset_of(columns, task="classification").description.class_names == ("1", "2", "other")
    assert "column 'y' has the text 'other' where numbers belong, in line 5" in refusal(columns)


@pytest.mark.parametrize(
    ("second", "options", "task"),
    [
        ([1, 0, 1, 1], {}, "multilabel"),
        ([1, 0, 1, 1], {"task": "classification"}, "multilabel"),
        ([1, 0, 1, 1], {"task": "regression"}, "regression"),
        ([1, 0, 2, 1], {}, "regression"),
    ],
)
def test_several_targets(second, options, task):
    columns = {"first": [True, False, True, True], "x": FEATURE, "second": second}
    dataset = dataset_of(columns, target=("second", "first"), **options)
    assert dataset.description.task == task
    assert dataset.description.target_names == ("second", "first")
    np.testing.assert_array_equal(dataset.rows.targets, np.column_stack([second, [1, 0, 1, 1]]))
    assert dataset.rows.targets.dtype == np.float64


def test_weights_are_no_feature():
    dataset = dataset_of({"w": [0, 1, 2, 0.5], "x": FEATURE, "y": list("aabb")}, sample_weights="w")
    np.testing.assert_array_equal(dataset.rows.weights, [0, 1, 2, 0.5])
    assert dataset.description.columns == (Column("x"),)
    assert dataset_of({"x": FEATURE, "y": list("aabb")}).rows.weights is None


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1, -1, 1, 1], "is -1.0 in line 3"),
        ([1, None, 1, 1], "is nan in line 3"),
        ([1, 1, np.inf, 1], "is inf in line 4"),
        ([0, 0, 0, 0], "are 0 in every row"),
        (list("abcd"), "'w' has the text 'a' where numbers belong, in line 2"),
    ],
)
def test_bad_weights_are_refused(weights, words):
    assert words in refusal({"w": weights, "x": FEATURE, "y": list("aabb")}, sample_weights="w")


@pytest.mark.parametrize(
    ("columns", "options", "words"),
    [
        ({"x": FEATURE, "label": FEATURE}, {"target": "lable"}, "did you mean 'label'? (columns: x, label)"),
        ({"x": FEATURE, "y": FEATURE}, {"target": ("y", "y")}, "each one once"),
        ({"x": FEATURE, "y": FEATURE}, {"target": ()}, "at least one column"),
        ({"x": FEATURE, "y": FEATURE}, {"sample_weights": "z"}, "dataset.sample_weights='z' is not a column"),
        ({"x": FEATURE, "y": FEATURE}, {"sample_weights": "y"}, "is the target too"),
        ({"y": FEATURE}, {}, "no feature column is left beside y"),
        ({"y": FEATURE, "w": FEATURE}, {"sample_weights": "w"}, "no feature column is left beside w, y"),
        ({"x": FEATURE, "y": ["a", "b", None, "a"]}, {}, "target 'y' is missing in line 4 (1 of 4 rows)"),
        ({"x": FEATURE, "y": [1.5, np.inf, 2, 3]}, {}, "column 'y' is inf in line 3"),
        ({"x": [1, 2, -np.inf, 3], "y": FEATURE}, {}, "column 'x' is -inf in line 4"),
        ({"x": [1, 2, None, None], "y": FEATURE}, {}, "column 'x' has no value in line 4 (2 values are missing"),
        ({"x": [None] * 4, "y": FEATURE}, {"missing": "mean"}, "column 'x' has no value in any row"),
        ({"x": ["1", "2", "three", "4"], "y": FEATURE}, {}, "'x' has the text 'three' where numbers belong, in line 4"),
        ({"x": FEATURE, "y": ["a"] * 4}, {}, "the target 'y' is a in every row; two classes are needed"),
        ({"x": FEATURE, "y": list("abab")}, {"task": "regression"}, "'y' has the text 'a' where numbers belong"),
        ({"x": FEATURE, "y": FEATURE, "z": [0, 1, 2, 1]}, {"target": ("y", "z"), "task": "classification"}, "0 and 1"),
        ({"x": FEATURE, "y": [1, 0, 1, 0], "z": list("abab")}, {"target": ("y", "z")}, "'z' has the text 'a'"),
        ({"x": [datetime.datetime(2020, 1, 1)] * 4, "y": FEATURE}, {}, "column 'x' holds datetime"),
        ({"x": [[1]] * 4, "y": FEATURE}, {}, "column 'x' holds mixed (object)"),
        ({"x": [1j] * 4, "y": FEATURE}, {}, "column 'x' holds complex"),
    ],
)
def test_each_bad_table_is_named(columns, options, words):
    assert words in refusal(columns, **options)


def test_text_is_a_category_where_half_or_more_are_no_numbers():
    column = dataset_of({"x": ["1", "2", "b", "c"], "y": FEATURE}).description.columns[0]
    assert column.categories == ("1", "2", "b", "c")


def test_a_typed_source_may_hold_texts_that_look_like_numbers():
    columns = {"x": ["1", "2", "3", "b"], "y": FEATURE}
    assert dataset_of(columns, typed=True).description.columns == (Column("x", ("1", "2", "3", "b")),)
    assert "in row 2" in refusal({"x": [1, None, 1, 1], "y": FEATURE}, typed=True)


def test_more_levels_than_any_column_may_have_are_refused():
    rows = range(10_010)
    labels = [f"label {row % 1001}" for row in rows]
    words = refusal({"x": labels, "y": rows}, task="regression")
    assert "column 'x' holds 1001 different labels in 10010 rows; at most 1000" in words
    dataset = dataset_of({"x": [f"label {row % 1000}" for row in rows], "y": rows}, task="regression")
    assert len(dataset.description.columns[0].categories) == 1000
    assert "column 'y' holds 1001 different labels" in refusal({"x": rows, "y": labels})
