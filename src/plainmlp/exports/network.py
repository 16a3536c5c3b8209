"""A trained model as an ONNX model: from raw features to classes and probabilities, or to the targets in their units."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from plainmlp.exports.features import FLOAT, add_features
from plainmlp.exports.functions import ACTIVATION_NODES, LINK_NODES
from plainmlp.exports.graph import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, TEXT, Graph
from plainmlp.nn.architecture import view_layers
from plainmlp.training.model import Model

if TYPE_CHECKING:
    from onnx import ModelProto

PREDICTED, PROBABILITIES = "predicted", "probabilities"
UNKNOWN_CLASS = ""  # of a row that our own predict refuses


def onnx_model(model: Model, metadata: Mapping[str, str]) -> "ModelProto":
    """Return a model in ONNX.

    Its outputs are `predicted`, texts of shape (batch,), and `probabilities`, doubles of shape (batch, n_classes), for a
    classification; `probabilities` of the labels for several of them; `predicted`, doubles of shape (batch, n_targets),
    for a regression. Of a row that `Model.predict` refuses they are NaN, and the class is an empty text.

    Parameters
    ----------
    metadata : mapping of str to str
        What else to say in its properties, beside what the features and targets mean.
    """
    from onnx import helper

    graph = Graph(model.parameters.dtype)
    inputs = add_features(graph, model.preparation)
    is_refused = graph.add("IsNaN", _row_sum(graph, graph.add("Mul", inputs, graph.number(0))))
    outputs = graph.add("Where", is_refused, np.array([[np.nan]]), _outputs(graph, model, inputs))
    _give_outputs(graph, model, outputs, is_refused)
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


def _row_sum(graph: Graph, values: str) -> str:
    """Return the sums of the rows, of shape (batch, 1)."""
    return graph.add("ReduceSum", values, np.array([1]), keepdims=1)


def _outputs(graph: Graph, model: Model, inputs: str) -> str:
    """Return what `Model.predict` does, as float64."""
    architecture = model.architecture
    layers = view_layers(model.parameters, architecture)
    parameters = zip(layers.weights, layers.biases, strict=True) if architecture.bias else zip(layers.weights)
    functions = [*(ACTIVATION_NODES[name] for name in architecture.activations), LINK_NODES[architecture.loss]]
    values = inputs
    for function, of_layer in zip(functions, parameters, strict=True):
        values = function(graph, graph.add("Gemm", values, *of_layer))
    values, scaling = graph.cast(values, FLOAT), model.preparation.target_scaling
    if model.description.task == "classification" and architecture.layer_sizes[-1] == 1:
        return graph.add("Concat", graph.add("Sub", np.ones((1, 1)), values), values, axis=1)
    if scaling is None:
        return values
    return graph.add("Add", graph.add("Mul", values, scaling.scale[np.newaxis]), scaling.offset[np.newaxis])


def _give_outputs(graph: Graph, model: Model, outputs: str, is_refused: str) -> None:
    description = model.description
    if description.task == "regression":
        graph.give(outputs, PREDICTED, FLOAT, len(description.target_names))
        return
    names = description.class_names or description.target_names
    if description.task == "classification":
        place = graph.add("ArgMax", outputs, axis=1, keepdims=0)
        predicted = graph.add("Gather", np.array(names, TEXT), place)
        is_unknown = graph.add("Squeeze", is_refused, np.array([1]))
        graph.give(graph.add("Where", is_unknown, np.array([UNKNOWN_CLASS], TEXT), predicted), PREDICTED, TEXT)
    graph.give(outputs, PROBABILITIES, FLOAT, len(names))
