"""The activations of `plainmlp.nn.activations` and the output links of `plainmlp.nn.losses` as ONNX computes them.

ONNX has operators for more of them, but runtimes lack these for float64, or keep their slope as float32.
"""

from collections.abc import Callable
from operator import methodcaller

from plainmlp.exports.graph import TRUTH, Value
from plainmlp.nn.activations import GELU_CUBIC, GELU_RATE, LEAK, SELU_SCALE, SELU_SCALED_ALPHA


def _identity(z: Value) -> Value:
    return z


def _leaky_relu(z: Value) -> Value:
    return z.node("Max", LEAK * z)


def _elu(z: Value) -> Value:
    return z.replaced(_is_negative(z), _expm1_below_zero(z))


def _selu(z: Value) -> Value:
    return (SELU_SCALE * z).replaced(_is_negative(z), SELU_SCALED_ALPHA * _expm1_below_zero(z))


def _softplus(z: Value) -> Value:
    """Return max(z, 0) + log(1 + exp(-abs(z)))."""
    return z.node("Relu") + (1 + z.node("Abs").node("Neg").node("Exp")).node("Log")


def _silu(z: Value) -> Value:
    return z * z.node("Sigmoid")


def _gelu(z: Value) -> Value:
    return z * (0.5 * (1 + (GELU_RATE * (z * (1 + GELU_CUBIC * (z * z)))).node("Tanh")))


def _is_negative(z: Value) -> Value:
    return z.node("Less", 0, dtype=TRUTH)


def _expm1_below_zero(z: Value) -> Value:
    """Return exp(z) - 1 for z <= 0 without cancellation, as 2 t / (1 - t) with t = tanh(z / 2); 0 above."""
    t = (0.5 * z.node("Min", 0)).node("Tanh")
    return (t + t) / (1 - t)


ACTIVATION_NODES: dict[str, Callable[[Value], Value]] = {
    "identity": _identity,
    "relu": methodcaller("node", "Relu"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "sigmoid": methodcaller("node", "Sigmoid"),
    "tanh": methodcaller("node", "Tanh"),
    "softplus": _softplus,
    "silu": _silu,
    "gelu": _gelu,
}
LINK_NODES: dict[str, Callable[[Value], Value]] = {  # by the loss
    "cross_entropy": methodcaller("node", "Softmax", axis=1),
    "binary_cross_entropy": methodcaller("node", "Sigmoid"),
    "squared_error": _identity,
    "absolute_error": _identity,
    "huber": _identity,
    "relu_squared_error": methodcaller("node", "Relu"),
}
