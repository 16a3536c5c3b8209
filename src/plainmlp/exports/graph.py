"""An ONNX graph, to which nodes are added one after another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8  # of 2022: what reads ONNX today knows them
ML_DOMAIN = "ai.onnx.ml"
INNER = "plainmlp/"  # begins the names of what is neither an input nor an output
BATCH = "batch"  # the name of the axis of rows
TEXT = np.dtype(object)

Array = NDArray[Any]


class Graph:
    """The nodes, constants, inputs and outputs of a graph, whose arithmetic is that of one dtype.

    Parameters
    ----------
    dtype : float32 or float64
        Of the network.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(self, operator: str, *given: str | Array, domain: str = "", **attributes: Any) -> str:
        """Add a node with one result; return the name of that.

        Parameters
        ----------
        given : str or ndarray
            Names of results before it, and constants.
        """
        names = [each if isinstance(each, str) else self._constant(each) for each in given]
        return self._node(operator, names, f"{INNER}result_{len(self.nodes)}", domain, attributes)

    def number(self, value: float) -> Array:
        """Return a number as a constant of the network's dtype."""
        return np.array(value, self.dtype)

    def cast(self, name: str, dtype: np.dtype[Any]) -> str:
        """Return the values of another type."""
        return self.add("Cast", name, to=_type(dtype))

    def take(self, name: str, dtype: np.dtype[Any], n_columns: int) -> str:
        """Declare an input of shape (batch, n_columns); return its name in the graph."""
        self.inputs.append(_value(name, dtype, (BATCH, n_columns)))
        return name

    def give(self, result: str, name: str, dtype: np.dtype[Any], *width: int) -> None:
        """Declare a result as an output of shape (batch,) or (batch, width)."""
        self._node("Identity", [result], name, "", {})
        self.outputs.append(_value(name, dtype, (BATCH, *width)))

    def _node(self, operator: str, given: Sequence[str], result: str, domain: str, attributes: dict[str, Any]) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, given, [result], domain=domain, **attributes))
        return result

    def _constant(self, values: Array) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(values), f"{INNER}constant_{len(self.constants)}"))
        return str(self.constants[-1].name)


def _type(dtype: np.dtype[Any]) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(dtype)


def _value(name: str, dtype: np.dtype[Any], shape: Sequence[int | str]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, _type(dtype), shape)
