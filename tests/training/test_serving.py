"""A model as MLflow serves it."""

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from configurations import refusal
from parted import split_section
from plainmlp.config.schema import DatasetSection
from plainmlp.data.cells import Cells
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.table import table_dataset
from plainmlp.nn.architecture import Architecture
from plainmlp.training.model import Model
from plainmlp.training.serving import Served, raw_features
from pointed import point, splits_of, trained_alone


class Asked(Served):
    """A model with what a server asks of it beside its predictions."""

    metadata = None


@pytest.fixture(scope="module")
def served():
    frame = pd.DataFrame({"colour": ["red", "blue"] * 5, "y": np.arange(10) / 7})
    data = table_dataset(Cells(frame, "data.csv"), DatasetSection(name="table", target="y"))
    preparation = fit_preparation(data.rows, data.description, split_section(), "refuse")
    network = Architecture((2, 1), (), "squared_error")
    return Asked(Model(network, np.array([1.0, 2.0, 0.5]), preparation, data.description))


def ask(served, colours):
    data = json.dumps({"dataframe_records": [{"colour": colour} for colour in colours]})
    return scoring_server.invocations(data, "application/json", served, None)


def test_a_server_answers(served):
    assert json.loads(ask(served, ["red", "blue"]).response) == {
        "predictions": [{"predicted_y": 2.5}, {"predicted_y": 1.5}]
    }


def test_what_is_wrong_with_a_question_is_the_answer(served):
    with pytest.raises(
        MlflowException, match=r"column 'colour' has the unknown value 'green' \(allowed: blue, red\)"
    ) as caught:
        ask(served, ["red", "green"])
    assert caught.value.get_http_status_code() == 400


@pytest.fixture(scope="module")
def digits():
    """Return a model of images, and the rows of its test part."""
    config = point().config
    return trained_alone(config).model, splits_of(config).test.features


def test_rows_come_in_every_form(digits):
    model, rows = digits
    frame = model.preparation.to_frame(rows)
    forms = {
        "table": frame,
        "whole numbers": frame.astype(np.int64)[frame.columns[::-1]],
        "array": rows,
        "doubles": rows.astype(np.float64),
        "objects": rows.astype(object),
        "images": rows.reshape(-1, 8, 8),
        "lists": rows.tolist(),
        "lists of images": rows.reshape(-1, 8, 8).tolist(),
        "tuples": tuple(map(tuple, rows.tolist())),
        "rows by name": frame.to_dict("records"),
        "columns by name": frame.to_dict("list"),
        "arrays by name": {name: frame[name].to_numpy() for name in frame},
    }
    expected = Served(model).predict(frame)
    for name, form in forms.items():
        pd.testing.assert_frame_equal(Served(model).predict(form), expected, check_exact=True, obj=name)


def test_one_row_comes_in_every_form(digits):
    model, rows = digits
    frame = model.preparation.to_frame(rows[:1])
    expected = Served(model).predict(frame)
    row = rows[0]
    image = row.reshape(8, 8)
    for form in (row, row.tolist(), image, image.tolist(), frame.iloc[0], frame.iloc[0].to_dict()):
        pd.testing.assert_frame_equal(Served(model).predict(form), expected, check_exact=True)


def test_values_in_the_order_of_the_columns_may_be_texts(served):
    for form in ([["red"], ["blue"]], np.array([["red"], ["blue"]]), np.array([["red"], ["blue"]], dtype=object)):
        assert served.predict(form)["predicted_y"].tolist() == [2.5, 1.5]
    assert served.predict(["red"])["predicted_y"].tolist() == [2.5]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (np.zeros((3, 5)), r"the rows have the shape (3, 5); allowed: (64,), (rows, 64), (8, 8), (rows, 8, 8)"),
        (np.zeros((2, 4, 16)), "the rows have the shape (2, 4, 16)"),
        ([], "the rows have the shape (0,)"),
        ([[1.0] * 64, [1.0] * 63], "the rows have different lengths"),
        ({"pixel_0_0": [1, 2], "pixel_0_1": [1]}, "the columns have different lengths"),
        ({"pixel_0_0": [1, 2], "pixel_0_1": 1}, "the columns have different lengths"),
        (7, "the rows are of the type int; allowed: a table, an array, or a list of rows"),
        ("red", "the rows are of the type str"),
        (None, "the rows are of the type NoneType"),
        ({"pixel_0_0": 1}, "feature='pixel_0_1' is not a column of the table"),
        (np.full((1, 64), np.inf), "column 'pixel_0_0' is inf in row 1"),
        (np.full((1, 64), np.nan), "column 'pixel_0_0' has no value in row 1"),
        ([["x"] * 64], "column 'pixel_0_0' has the text 'x' where numbers belong"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(digits, form, words):
    model, _ = digits
    assert words in refusal(lambda: model.predict(raw_features(model, form)))
