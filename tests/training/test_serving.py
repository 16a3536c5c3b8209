"""A model as MLflow serves it."""

import json

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from plainmlp.data.cells import Cells
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.table import table_dataset
from plainmlp.nn.architecture import Architecture
from plainmlp.training.model import Model
from plainmlp.training.serving import Served


class Asked(Served):
    """A model with what a server asks of it beside its predictions."""

    metadata = None


@pytest.fixture(scope="module")
def served():
    frame = pd.DataFrame({"colour": ["red", "blue"] * 5, "y": np.arange(10) / 7})
    data = table_dataset(Cells(frame, "data.csv"), name="table", target="y")
    preparation = fit_preparation(data.rows, data.description, missing="refuse", scaling="none", target_scaling="none")
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
