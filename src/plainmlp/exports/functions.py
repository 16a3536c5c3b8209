"""Activations and output links as ONNX has them: nodes of `plainmlp.nn.activations` and `plainmlp.nn.losses`.

ONNX has operators for some more of them, but runtimes lack these for float64, or they keep their slope as float32.
"""

from collections.abc import Callable

from plainmlp.exports.graph import Graph
from plainmlp.nn.activations import GELU_CUBIC, GELU_RATE, LEAK, SELU_SCALE, SELU_SCALED_ALPHA

Function = Callable[[Graph, str], str]


def _identity(graph: Graph, z: str) -> str:
    return z


def _relu(graph: Graph, z: str) -> str:
    return graph.add("Relu", z)


def _leaky_relu(graph: Graph, z: str) -> str:
    return graph.add("Max", z, graph.add("Mul", z, graph.number(LEAK)))


def _elu(graph: Graph, z: str) -> str:
    return _by_sign(graph, z, z, _expm1_below_zero(graph, z))


def _selu(graph: Graph, z: str) -> str:
    below = graph.add("Mul", _expm1_below_zero(graph, z), graph.number(SELU_SCALED_ALPHA))
    return _by_sign(graph, z, graph.add("Mul", z, graph.number(SELU_SCALE)), below)


def _sigmoid(graph: Graph, z: str) -> str:
    return graph.add("Sigmoid", z)


def _tanh(graph: Graph, z: str) -> str:
    return graph.add("Tanh", z)


def _softplus(graph: Graph, z: str) -> str:
    """Return max(z, 0) + log(1 + exp(-abs(z)))."""
    exponential = graph.add("Exp", graph.add("Neg", graph.add("Abs", z)))
    rest = graph.add("Log", graph.add("Add", exponential, graph.number(1)))
    return graph.add("Add", graph.add("Relu", z), rest)


def _silu(graph: Graph, z: str) -> str:
    return graph.add("Mul", z, graph.add("Sigmoid", z))


def _gelu(graph: Graph, z: str) -> str:
    """Return z (1 + tanh(sqrt(2 / pi) z (1 + 0.044715 z^2))) / 2."""
    square = graph.add("Mul", graph.add("Mul", z, z), graph.number(GELU_CUBIC))
    cubic = graph.add("Mul", z, graph.add("Add", square, graph.number(1)))
    bent = graph.add("Tanh", graph.add("Mul", cubic, graph.number(GELU_RATE)))
    return graph.add("Mul", z, graph.add("Mul", graph.add("Add", bent, graph.number(1)), graph.number(0.5)))


def _softmax(graph: Graph, z: str) -> str:
    return graph.add("Softmax", z, axis=1)


def _by_sign(graph: Graph, z: str, above: str, below: str) -> str:
    return graph.add("Where", graph.add("Greater", z, graph.number(0)), above, below)


def _expm1_below_zero(graph: Graph, z: str) -> str:
    """Return exp(z) - 1 for z <= 0 without cancellation, as 2 t / (1 - t) with t = tanh(z / 2); 0 above."""
    half = graph.add("Mul", graph.add("Min", z, graph.number(0)), graph.number(0.5))
    t = graph.add("Tanh", half)
    return graph.add("Div", graph.add("Add", t, t), graph.add("Sub", graph.number(1), t))


ACTIVATION_NODES: dict[str, Function] = {
    "identity": _identity,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "softplus": _softplus,
    "silu": _silu,
    "gelu": _gelu,
}
LINK_NODES: dict[str, Function] = {  # by the loss
    "cross_entropy": _softmax,
    "binary_cross_entropy": _sigmoid,
    "squared_error": _identity,
    "absolute_error": _identity,
    "huber": _identity,
    "relu_squared_error": _relu,
}
