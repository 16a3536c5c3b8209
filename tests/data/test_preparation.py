import json

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from parted import split_section
from plainmlp.config.schema import Choice
from plainmlp.data.arrays import Column, Description, Part
from plainmlp.data.preparation import Preparation, fit_preparation
from plainmlp.system.errors import InputError

NAN = np.nan
COLUMNS = (Column("size"), Column("colour", ("blue", "green", "red")), Column("age"))
FEATURES = np.array([[1, 2, 10], [2, 0, 30], [6, 2, NAN], [NAN, NAN, 50], [3, 0, 20]], dtype=np.float64)
TARGETS = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0], [5.0, 60.0]])


def description_of(columns=COLUMNS, task="regression"):
    return Description("table", task, columns, ("a", "b"))


def prepared(features=FEATURES, columns=COLUMNS, targets=TARGETS, task="regression", missing="mean", **options):
    split = split_section(**{"scaling": "standard", "target_scaling": "standard", **options})
    return fit_preparation(Part(features, targets), description_of(columns, task), split, missing)


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_inputs_are_those_of_scikit_learn(missing):
    numbers = SimpleImputer(strategy=missing).fit_transform(FEATURES[:, [0, 2]])
    colours = SimpleImputer(strategy="most_frequent").fit_transform(FEATURES[:, [1]])
    scaled = StandardScaler().fit_transform(numbers)
    one_hot = OneHotEncoder(categories=[[0, 1, 2]], sparse_output=False).fit_transform(colours)
    expected = np.column_stack([scaled[:, 0], one_hot, scaled[:, 1]])
    preparation = prepared(missing=missing)
    np.testing.assert_allclose(preparation.inputs(FEATURES, np.float64), expected, atol=1e-12)
    assert preparation.input_names == ("size", "colour=blue", "colour=green", "colour=red", "age")
    assert preparation.inputs(FEATURES, np.float32).dtype == np.float32


def test_what_was_fitted_serves_other_rows():
    preparation = prepared()
    inputs = preparation.inputs(np.array([[NAN, 1, 27.5]]), np.float64)
    np.testing.assert_allclose(inputs, [[0, 0, 1, 0, 0]], atol=1e-12)  # the means of the train part are at 0


def test_of_equally_frequent_categories_the_first_is_filled_in():
    assert prepared().fill_values.tolist() == [3, 0, 27.5]


def test_numbers_without_gaps_are_not_copied():
    pixels = np.arange(12, dtype=np.uint8).reshape(4, 3)
    columns = tuple(Column(name) for name in "abc")
    scaling = Choice(name="divisor", divisor=4.0)
    preparation = prepared(pixels, columns, np.arange(4), "classification", missing="refuse", scaling=scaling)
    inputs = preparation.inputs(pixels, np.float32)
    np.testing.assert_array_equal(inputs, pixels.astype(np.float32) / np.float32(4), strict=True)
    assert preparation.target_scaling is None


@pytest.mark.parametrize("columns", [COLUMNS[1:2], (COLUMNS[1], COLUMNS[1])])
def test_categories_alone_are_prepared(columns):
    codes = np.array([[2.0], [0.0]]) * np.ones((1, len(columns)))
    preparation = prepared(codes, columns, TARGETS[:2], missing="refuse")
    one_hot = [[0, 0, 1] * len(columns), [1, 0, 0] * len(columns)]
    np.testing.assert_array_equal(preparation.inputs(codes, np.float64), one_hot)


def test_a_gap_is_refused_where_no_value_was_fitted():
    preparation = prepared(FEATURES[:2], missing="refuse", targets=TARGETS[:2])
    with pytest.raises(InputError, match="column 'age' has no value in row 3"):
        preparation.inputs(FEATURES, np.float32)


def test_a_gap_in_the_train_part_is_refused():
    with pytest.raises(InputError, match="column 'age' has no value in row 3"):
        prepared(missing="refuse")


def test_a_column_without_any_value_is_refused():
    features = FEATURES.copy()
    features[:, 2] = NAN
    with pytest.raises(InputError, match="column 'age' has no value in the train part"):
        prepared(features)


def test_targets_of_a_regression_are_scaled_and_restored():
    preparation = prepared()
    scaled = preparation.targets(TARGETS, np.float32)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(preparation.restore_targets(scaled), TARGETS, rtol=1e-6)


def test_targets_can_be_left_as_they_are():
    np.testing.assert_array_equal(prepared(target_scaling="none").targets(TARGETS, np.float64), TARGETS)


@pytest.mark.parametrize(
    ("targets", "task", "dtype"),
    [(np.array([0, 1, 0, 1, 2]), "classification", np.int64), (np.eye(5), "multilabel", np.float32)],
)
def test_other_targets_keep_their_values(targets, task, dtype):
    preparation = prepared(targets=targets, task=task)
    np.testing.assert_array_equal(preparation.targets(targets, np.float32), targets.astype(dtype), strict=True)
    outputs = np.ones((2, 3), np.float32)
    assert preparation.restore_targets(outputs) is outputs


@pytest.mark.parametrize("missing", ["mean", "refuse"])
def test_the_way_through_json_changes_no_bit(missing):
    preparation = prepared(FEATURES[:2] / 3, targets=TARGETS[:2] / 7, missing=missing)
    record = json.dumps(preparation.to_dict(), allow_nan=False)
    again = Preparation.from_dict(json.loads(record))
    assert json.dumps(again.to_dict()) == record
    assert again.columns == COLUMNS
    np.testing.assert_array_equal(again.inputs(FEATURES[:2], np.float64), preparation.inputs(FEATURES[:2], np.float64))
    np.testing.assert_array_equal(again.targets(TARGETS, np.float64), preparation.targets(TARGETS, np.float64))


def test_a_table_becomes_raw_features():
    frame = pd.DataFrame(
        {"more": [1, 2, 3], "age": [10, None, 30], "colour": ["red", None, "blue"], "size": [True, False, True]},
        index=[7, 7, 9],
    )
    features = prepared().from_frame(frame)
    np.testing.assert_array_equal(features, [[1, 2, 10], [0, NAN, NAN], [1, 0, 30]])


def test_categories_that_are_numbers_are_found():
    columns = (Column("x", ("1", "2")),)
    preparation = prepared(np.array([[0.0], [1.0]]), columns, TARGETS[:2])
    for values in ([1, 2], [1.0, 2.0], ["1", "2"], pd.Categorical([1, 2])):
        assert preparation.from_frame(pd.DataFrame({"x": values})).tolist() == [[0.0], [1.0]]


GOOD = {"size": [1.0], "colour": ["red"], "age": [1.0]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": ["rde"]}, "column 'colour' has the unknown value 'rde' (allowed: blue, green, red)"),
        ({"size": ["big"]}, "column 'size' has the text 'big' where numbers belong, in row 1"),
        ({"size": [np.inf]}, "column 'size' is inf in row 1"),
        ({"size": [None]}, "column 'size' has no value in row 1"),
        ({"colour": [None]}, "column 'colour' has no value in row 1"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(changes, words):
    preparation = prepared(FEATURES[:2], missing="refuse", targets=TARGETS[:2])
    with pytest.raises(InputError) as caught:
        preparation.from_frame(pd.DataFrame({**GOOD, **changes}))
    assert words in str(caught.value)


def test_a_missing_or_double_column_is_refused():
    frame = pd.DataFrame(GOOD)
    with pytest.raises(InputError, match=r"feature='age' is not a column of the table.*did you mean 'agee'"):
        prepared().from_frame(frame.rename(columns={"age": "agee"}))
    with pytest.raises(InputError, match="'age' occurs 2 times"):
        prepared().from_frame(pd.concat([frame, frame[["age"]]], axis=1))
    with pytest.raises(InputError, match="feature='size' is not a column"):
        prepared().from_frame(pd.DataFrame({0: [1.0]}))


def test_a_column_that_can_be_filled_may_be_left_out():
    frame, filled = pd.DataFrame(GOOD), prepared()
    without, gap = (filled.from_frame(each) for each in (frame.drop(columns="age"), frame.assign(age=np.nan)))
    assert np.isnan(gap).any()
    np.testing.assert_array_equal(without, gap)
    refusing = prepared(FEATURES[:2], missing="refuse", targets=TARGETS[:2])
    with pytest.raises(InputError, match="feature='age' is not a column of the table"):
        refusing.from_frame(frame.drop(columns="age"))
