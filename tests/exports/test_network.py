"""Every activation, link and dtype in ONNX Runtime and in ONNX's own reference, against predict."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from exported import drawn_model
from networks import draw_parameters, make_architecture
from plainmlp.exports.features import graph_inputs
from plainmlp.exports.functions import ACTIVATION_NODES, LINK_NODES
from plainmlp.exports.network import onnx_model
from plainmlp.exports.onnx_file import Runtime, compare
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.losses import LOSSES
from plainmlp.training.model import Model

ROWS = np.random.default_rng(11).normal(5, 9, (300, 4))
# of probabilities, some units in the last place of 1; of targets of a spread of 40 so many times that
CLOSE = {dtype: 16 * np.finfo(dtype).eps for dtype in (np.float32, np.float64)}
SPREAD = 40
DTYPES = pytest.mark.parametrize("dtype", CLOSE)


@pytest.fixture(params=["ONNX Runtime", "reference"])
def _runtimes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the models in ONNX Runtime, and in the reference that ONNX has in NumPy."""
    if request.param == "reference":
        monkeypatch.setattr(onnxruntime, "InferenceSession", lambda content, providers: ReferenceEvaluator(content))


def running(model: Model, **metadata: str) -> Runtime:
    record = onnx_model(model, metadata)
    onnx.checker.check_model(record, full_check=True)
    return Runtime(record)


def test_every_activation_and_loss_is_there():
    assert set(ACTIVATION_NODES) == set(ACTIVATIONS), "add it to ACTIVATION_NODES in exports/functions.py"
    assert set(LINK_NODES) == set(LOSSES), "add its link to LINK_NODES in exports/functions.py"


@pytest.mark.usefixtures("_runtimes")
@DTYPES
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation, dtype):
    model = drawn_model(activation, dtype=dtype)
    difference = compare(model, running(model), ROWS)
    assert (difference.n_rows, difference.n_alike) == (300, 300)
    assert difference.largest < CLOSE[dtype]


@pytest.mark.usefixtures("_runtimes")
@DTYPES
@pytest.mark.parametrize("loss", LINK_NODES)
def test_every_loss(loss, dtype):
    model = drawn_model(("tanh", "relu"), loss, dtype)
    difference = compare(model, running(model), ROWS)
    assert difference.largest < CLOSE[dtype] * (SPREAD if model.description.task == "regression" else 1)


@pytest.mark.parametrize("options", [{"bias": False}, {"n_outputs": 1, "loss": "binary_cross_entropy"}])
def test_a_network_without_biases_and_one_with_two_classes_in_one_output(options):
    model = drawn_model(**options)
    difference = compare(model, running(model), ROWS)
    assert difference.n_alike == 300
    assert difference.largest < CLOSE[np.float32]


def test_a_linear_network():
    model = drawn_model()
    architecture = make_architecture((4, 3))
    linear = Model(architecture, draw_parameters(architecture), model.preparation, model.description)
    assert compare(linear, running(linear), ROWS).largest < CLOSE[np.float64]


@pytest.mark.usefixtures("_runtimes")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_row_that_predict_refuses_is_nan_and_no_other(bad):
    model = drawn_model("relu")
    rows = ROWS[:3].copy()
    rows[1, 2] = bad
    answers = running(model).answer(graph_inputs(model.preparation, rows))
    assert np.isnan(answers["probabilities"]).all(axis=1).tolist() == [False, True, False]
    assert np.isnan(answers["probabilities"]).any(axis=1).tolist() == [False, True, False]
    assert [text == "" for text in answers["predicted"]] == [False, True, False]


def test_the_first_of_equal_classes_is_predicted():
    model = drawn_model()
    model.parameters[:] = 0
    assert set(running(model).answer(graph_inputs(model.preparation, ROWS))["predicted"]) == {"none"}


def test_what_a_model_is_stands_in_its_properties():
    model = drawn_model()
    record = onnx_model(model, {"point_id": "ab" * 32})
    said = {each.key: each.value for each in record.metadata_props}
    assert said["point_id"] == "ab" * 32
    assert said["weights_digest"] == model.weights_digest
    assert '"class_names": ["none", "some", "all"]' in said["description"]
    assert record.producer_name == "plainmlp"
