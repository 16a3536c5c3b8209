"""A trained model as an ONNX model: from raw features to classes and probabilities, or to the targets in their units."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.exports.features import add_features
from plainmlp.exports.functions import ACTIVATION_NODES, LINK_NODES
from plainmlp.exports.graph import FLOAT, IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, TEXT, WHOLE, Graph, Value
from plainmlp.nn.architecture import view_layers
from plainmlp.training.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

PREDICTED, PROBABILITIES = "predicted", "probabilities"
NO_CLASS = ""  # of a row that our own predict refuses


def onnx_model(model: Model, metadata: Mapping[str, str]) -> "ModelProto":
    """Return a model in ONNX.

    Its outputs are `predicted`, texts of shape (batch,), and `probabilities`, doubles of shape (batch, n_classes), for a
    classification; `probabilities` of the labels for a multi-label task; `predicted`, doubles of shape
    (batch, n_targets), for a regression. For a row that `Model.predict` refuses they are NaN, and the class is empty.

    Parameters
    ----------
    metadata : mapping of str to str
        More properties, besides the description of features and targets.
    """
    from onnx import helper

    graph = Graph()
    inputs = add_features(graph, model.preparation, model.parameters.dtype)
    is_refused = (0 * inputs).node("ReduceSum", np.array([1]), keepdims=1).is_nan()  # also of infinite ones
    _give_outputs(graph, model, _outputs(model, inputs).replaced(is_refused, np.nan), is_refused)
    record = helper.make_model(
        helper.make_graph(graph.nodes, model.description.name, graph.inputs, graph.outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="plainmlp",
        producer_version=version("plainmlp"),
    )
    description = json.dumps(model.description.to_dict())
    helper.set_model_props(record, {"weights_digest": model.weights_digest, "description": description, **metadata})
    return record


def _outputs(model: Model, inputs: Value) -> Value:
    """Return what `Model.predict` does, as float64."""
    architecture, scaling = model.architecture, model.preparation.target_scaling
    layers = view_layers(model.parameters, architecture)
    parameters = zip(layers.weights, layers.biases, strict=True) if architecture.bias else zip(layers.weights)
    functions = [*(ACTIVATION_NODES[name] for name in architecture.activations), LINK_NODES[architecture.loss]]
    values = inputs
    for function, of_layer in zip(functions, parameters, strict=True):
        values = function(values.node("Gemm", *of_layer))
    values = values.cast(FLOAT)
    if model.description.task == "classification" and architecture.layer_sizes[-1] == 1:
        return (1 - values).node("Concat", values, axis=1)
    return values if scaling is None else values * scaling.scale[np.newaxis] + scaling.offset[np.newaxis]


def _give_outputs(graph: Graph, model: Model, outputs: Value, is_refused: Value) -> None:
    description = model.description
    if description.task == "regression":
        graph.give(outputs, PREDICTED, len(description.target_names))
        return
    names = description.output_names
    if description.task == "classification":
        place = outputs.node("ArgMax", axis=1, keepdims=0, dtype=WHOLE)
        classes = graph.constant(np.array(names, TEXT)).node("Gather", place)
        graph.give(classes.replaced(is_refused.node("Squeeze", np.array([1])), np.array([NO_CLASS], TEXT)), PREDICTED)
    graph.give(outputs, PROBABILITIES, len(names))
