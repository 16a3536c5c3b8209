"""Vectors of 16 numbers, for Numba: what stands where the definition has an array, once a function is compiled.

LLVM turns the 16 lanes into whatever vectors a processor has; each operation rounds each lane once, as IEEE 754 says.
"""

import operator
from itertools import product
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import (
    intrinsic,
    lower_builtin,
    models,
    overload,
    register_jitable,
    register_model,
    type_callable,
)

from plainmlp.nn import arithmetic
from plainmlp.nn.arithmetic import FRACTION_BITS
from plainmlp.nn.products import LANES

WIDTH = LANES


class Lanes(types.Type):
    """The type of 16 numbers, or of 16 truth values.

    Parameters
    ----------
    element : numba type
        float32, float64 or boolean.
    """

    def __init__(self, element: types.Type) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


MASK = Lanes(types.boolean)
_ELEMENTS = {types.float32: ir.FloatType(), types.float64: ir.DoubleType(), types.boolean: ir.IntType(1)}


def vector_of(element: types.Type, width: int = WIDTH) -> ir.VectorType:
    """Return LLVM's type of some elements side by side."""
    return ir.VectorType(_ELEMENTS[element], width)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, vector_of(kind.element))


def splat(builder: Any, value: Any, width: int = WIDTH) -> Any:
    """Return a vector that has one value in all lanes."""
    kind = ir.VectorType(value.type, width)
    single = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), mask)


def _common(operands: Any) -> Lanes | None:
    """Return the type of an operation's lanes, where an operand has any; conditions and numbers stand beside them."""
    lanes = {kind for kind in operands if isinstance(kind, Lanes)}
    if len(lanes) > 1:
        lanes.discard(MASK)
    are_possible = all(isinstance(kind, Lanes | types.Number) for kind in operands)
    return lanes.pop() if len(lanes) == 1 and are_possible else None


def _define(operation: Any, emit: Any, n_operands: int = 2, *, is_comparison: bool = False) -> None:
    """Let compiled code call an operator, or a primitive of the definition, with vectors; numbers go to all lanes."""

    def result(*operands: types.Type) -> types.Type | None:
        common = _common(operands)
        return MASK if common is not None and is_comparison else common

    typers = (
        lambda a: result(a),
        lambda a, b: result(a, b),
        lambda a, b, c: result(a, b, c),
    )  # Numba takes no *operands
    type_callable(operation)(lambda context: typers[n_operands - 1])

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = _common(signature.args).element  # type: ignore[union-attr]
        vectors = [
            value if isinstance(kind, Lanes) else splat(builder, context.cast(builder, value, kind, element))
            for value, kind in zip(arguments, signature.args, strict=True)
        ]
        return emit(builder, *vectors)

    for kinds in product((Lanes, types.Number), repeat=n_operands):
        if Lanes in kinds:
            lower_builtin(operation, *kinds)(lower)


_ARITHMETIC = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}
_ORDERED = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "=="}
for _operation, _name in _ARITHMETIC.items():
    _define(_operation, lambda builder, a, b, name=_name: getattr(builder, name)(a, b))
for _operation, _sign in _ORDERED.items():
    _define(_operation, lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b), is_comparison=True)
_define(operator.ne, lambda builder, a, b: builder.fcmp_unordered("!=", a, b), is_comparison=True)
_define(operator.and_, lambda builder, a, b: builder.and_(a, b))
_define(operator.or_, lambda builder, a, b: builder.or_(a, b))
_define(operator.neg, lambda builder, a: builder.fneg(a), 1)
_define(arithmetic.select, lambda builder, mask, chosen, other: builder.select(mask, chosen, other), 3)


def _call(name: str) -> Any:
    """Return what emits LLVM's own vector function, one instruction of the processor."""

    def emit(builder: Any, vector: Any) -> Any:
        kind = ir.FunctionType(vector.type, [vector.type])
        full_name = f"llvm.{name}.v{WIDTH}f{_bits(vector)}"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), [vector])

    return emit


def _bits(vector: Any) -> int:
    """Return the size of a float."""
    return 32 if vector.type.element == ir.FloatType() else 64


def _layout(vector: Any) -> tuple[Any, Any, Any]:
    """Return the vector of integers of a float's size, and such: how many bits its fraction has, its exponent's bias."""
    fraction = FRACTION_BITS[np.dtype(f"float{_bits(vector)}")]
    integers = ir.VectorType(ir.IntType(_bits(vector)), WIDTH)
    bias = (1 << (_bits(vector) - 2 - fraction)) - 1
    return integers, *(ir.Constant(integers, [value] * WIDTH) for value in (fraction, bias))


def _emit_power_of_two(builder: Any, vector: Any) -> Any:
    integers, fraction, bias = _layout(vector)
    return builder.bitcast(builder.shl(builder.add(builder.fptosi(vector, integers), bias), fraction), vector.type)


def _emit_exponent(builder: Any, vector: Any) -> Any:
    integers, fraction, bias = _layout(vector)
    biased = builder.ashr(builder.bitcast(vector, integers), fraction)
    return builder.sitofp(builder.sub(biased, bias), vector.type)


_define(arithmetic.absolute, _call("fabs"), 1)
_define(arithmetic.square_root, _call("sqrt"), 1)
_define(arithmetic.power_of_two, _emit_power_of_two, 1)
_define(arithmetic.exponent, _emit_exponent, 1)
register_jitable(arithmetic.by_dtype)


@overload(arithmetic.is_single, strict=False)
def _overload_is_single(x: Any) -> Any:
    is_single = x.element is types.float32
    return lambda x: is_single


def read(context: Any, builder: Any, array: types.Array, value: Any, position: Any, kind: Any) -> Any:
    """Return what lies at a position of a flat array: a number, or a vector of neighbours."""
    return builder.load(pointer_to(context, builder, array, value, position, kind), align=array.dtype.bitwidth // 8)


def pointer_to(context: Any, builder: Any, array: types.Array, value: Any, position: Any, kind: Any) -> Any:
    """Return a pointer to what lies at a position of a flat array."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [position]), kind.as_pointer())


def _reading(result: Any) -> Any:
    """Return what reads at a position of an array; unlike an index, that is never counted from the end."""

    @intrinsic
    def reads(typing: Any, array: Any, position: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value, position = arguments
            kind = context.get_data_type(signature.return_type)
            return read(context, builder, signature.args[0], value, position, kind)

        return result(array.dtype)(array, types.intp), emit

    return reads


get, load = _reading(lambda element: element), _reading(Lanes)  # a number; the 16 that begin there


@intrinsic
def store(typing: Any, array: Any, position: Any, value: Any) -> Any:
    """Write a number into an array, or 16 from a position on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, position, written = arguments
        pointer = pointer_to(context, builder, signature.args[0], array, position, written.type)
        builder.store(written, pointer, align=signature.args[0].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, value if isinstance(value, Lanes) else array.dtype), emit


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """Return a number in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, arguments[0])

    return Lanes(number)(number), emit


@register_jitable
def nothing(array: Any) -> Any:
    """Return zeros in all lanes, for the numbers of an array."""
    return spread(array.dtype.type(0))


@intrinsic
def fold(typing: Any, lanes: Any) -> Any:
    """Return the sum of 16 lanes: halves are added, 8, 4, 2 and then 1."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = arguments[0]
        undefined = ir.Constant(vector.type, ir.Undefined)
        half = WIDTH // 2
        while half:
            places = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [(i + half) % WIDTH for i in range(WIDTH)])
            vector = builder.fadd(vector, builder.shuffle_vector(vector, undefined, places))
            half //= 2
        return builder.extract_element(vector, ir.IntType(32)(0))

    return lanes.element(lanes), emit


@intrinsic
def holds_anywhere(typing: Any, mask: Any) -> Any:
    """Say whether a condition holds in any lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = builder.bitcast(arguments[0], ir.IntType(WIDTH))
        return builder.icmp_unsigned("!=", whole, ir.IntType(WIDTH)(0))

    return types.boolean(mask), emit


@intrinsic
def arrive(typing: Any, counter: Any) -> Any:
    """Add 1 to the first number of an array, and return what it was: all threads see it, and all that was written before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", pointer, ir.IntType(64)(1), "seq_cst")

    return types.int64(counter), emit


@intrinsic
def arrived(typing: Any, counter: Any) -> Any:
    """Return the first number of an array, and see all that was written before it was counted up."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(pointer, "seq_cst", 8)  # reading takes the number from no other core

    return types.int64(counter), emit
