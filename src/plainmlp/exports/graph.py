"""An ONNX graph, which grows as values are computed from values."""

from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from plainmlp.data.arrays import Array

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8  # of 2022: what reads ONNX today knows them
ML_DOMAIN = "ai.onnx.ml"
INNER = "plainmlp/"  # begins the names of what is neither an input nor an output
BATCH = "batch"  # the name of the axis of rows
TRUTH, WHOLE, FLOAT, TEXT = np.dtype(np.bool_), np.dtype(np.int64), np.dtype(np.float64), np.dtype(object)

Given = Union["Value", Array, float]


class Graph:
    """The nodes, constants, inputs and outputs of a graph."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def take(self, name: str, dtype: np.dtype[Any], n_columns: int) -> "Value":
        """Declare an input of shape (batch, n_columns)."""
        self.inputs.append(_declared(name, dtype, (BATCH, n_columns)))
        return Value(self, name, dtype)

    def give(self, value: "Value", name: str, *width: int) -> None:
        """Declare a value as an output of shape (batch,) or (batch, width)."""
        self.add_node("Identity", [value.name], name)
        self.outputs.append(_declared(name, value.dtype, (BATCH, *width)))

    def constant(self, values: Array) -> "Value":
        """Add a constant."""
        from onnx import numpy_helper

        name = f"{INNER}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return Value(self, name, values.dtype)

    def add_node(self, operator: str, given: Sequence[str], result: str = "", **attributes: Any) -> str:
        """Add a node with one result; return the name of that, by default a new one."""
        from onnx import helper

        name = result or f"{INNER}result_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, given, [name], **attributes))
        return name


class Value:
    """A value that a graph computes; operators and `node` give others, with numbers as constants of its dtype.

    `//` rounds integers towards zero.
    """

    def __init__(self, graph: Graph, name: str, dtype: np.dtype[Any]) -> None:
        self.graph, self.name, self.dtype = graph, name, dtype

    def node(self, operator: str, *others: Given, dtype: np.dtype[Any] | None = None, **attributes: Any) -> "Value":
        """Return the result of an ONNX operator on this value and others; its dtype is by default this value's."""
        given = [each.name for each in (self, *map(self._value, others))]
        return Value(self.graph, self.graph.add_node(operator, given, **attributes), dtype or self.dtype)

    def cast(self, dtype: np.dtype[Any]) -> "Value":
        """Return the value in another dtype."""
        return self.node("Cast", dtype=dtype, to=_type(dtype))

    def replaced(self, condition: "Value", by: Given) -> "Value":
        """Return this value, replaced by another one where a condition holds."""
        return condition.node("Where", self._value(by), self, dtype=self.dtype)

    def is_nan(self) -> "Value":
        """Say where the value is not a number."""
        return self.node("IsNaN", dtype=TRUTH)

    def __add__(self, other: Given) -> "Value":
        """Add."""
        return self.node("Add", other)

    def __sub__(self, other: Given) -> "Value":
        """Subtract."""
        return self.node("Sub", other)

    def __rsub__(self, other: Given) -> "Value":
        """Subtract from another value."""
        return self._value(other) - self

    def __mul__(self, other: Given) -> "Value":
        """Multiply."""
        return self.node("Mul", other)

    def __truediv__(self, other: Given) -> "Value":
        """Divide."""
        return self.node("Div", other)

    def __mod__(self, other: Given) -> "Value":
        """Return the remainder, with the sign of the divisor."""
        return self.node("Mod", other)

    __radd__, __rmul__, __floordiv__ = __add__, __mul__, __truediv__

    def _value(self, given: Given) -> "Value":
        if isinstance(given, Value):
            return given
        return self.graph.constant(given if isinstance(given, np.ndarray) else np.array(given, self.dtype))


def _type(dtype: np.dtype[Any]) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(dtype)


def _declared(name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _type(dtype), shape)
