"""Vectors of 16 numbers, for Numba: what stands where the definition has an array, once a function is compiled.

LLVM turns the 16 lanes into whatever vectors a processor has; each operation rounds each lane once, as IEEE 754 says.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, overload, register_model, type_callable

from plainmlp.nn import arithmetic
from plainmlp.nn.arithmetic import FRACTION_BITS

WIDTH = 16


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
BITS = {types.float32: 32, types.float64: 64}
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


def constant(kind: Any, value: float) -> Any:
    """Return a vector constant."""
    return ir.Constant(kind, [value] * WIDTH)


def _as_lanes(context: Any, builder: Any, value: Any, given: types.Type, element: types.Type) -> Any:
    """Return a vector as it is, or a number in all lanes."""
    return value if isinstance(given, Lanes) else splat(builder, context.cast(builder, value, given, element))


def _common(first: types.Type, second: types.Type) -> Lanes | None:
    """Return the type of an operation's lanes, where one of its operands has any; a number takes the other's type."""
    lanes = {kind for kind in (first, second) if isinstance(kind, Lanes)}
    others = [kind for kind in (first, second) if not isinstance(kind, Lanes)]
    is_possible = len(lanes) == 1 and all(isinstance(kind, types.Number) for kind in others)
    return lanes.pop() if is_possible else None


def _define_binary(operation: Any, emit: Any, *, is_comparison: bool = False) -> None:
    """Let an operator take vectors, or a vector and a number."""

    @type_callable(operation)
    def _type_binary(context: Any) -> Any:
        def typer(first: types.Type, second: types.Type) -> types.Type | None:
            common = _common(first, second)
            return MASK if common is not None and is_comparison else common

        return typer

    for pair in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):

        @lower_builtin(operation, *pair)
        def _lower_binary(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            element = _common(*signature.args).element  # type: ignore[union-attr]
            pairs = zip(arguments, signature.args, strict=True)
            return emit(builder, *(_as_lanes(context, builder, value, kind, element) for value, kind in pairs))


_ARITHMETIC = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}
_ORDERED = {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=", operator.eq: "=="}
for _operation, _name in _ARITHMETIC.items():
    _define_binary(_operation, lambda builder, a, b, name=_name: getattr(builder, name)(a, b))
for _operation, _sign in _ORDERED.items():
    _define_binary(_operation, lambda builder, a, b, sign=_sign: builder.fcmp_ordered(sign, a, b), is_comparison=True)
_define_binary(operator.ne, lambda builder, a, b: builder.fcmp_unordered("!=", a, b), is_comparison=True)
_define_binary(operator.and_, lambda builder, a, b: builder.and_(a, b))
_define_binary(operator.or_, lambda builder, a, b: builder.or_(a, b))


@type_callable(operator.neg)
def _type_negation(context: Any) -> Any:
    def typer(value: types.Type) -> types.Type | None:
        return value if isinstance(value, Lanes) else None

    return typer


@lower_builtin(operator.neg, Lanes)
def _lower_negation(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.fneg(arguments[0])


def pointer_to(context: Any, builder: Any, array: types.Array, value: Any, position: Any, kind: Any) -> Any:
    """Return a pointer to what lies at a position of a flat array."""
    data = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(data, [position]), kind.as_pointer())


def load_vector(context: Any, builder: Any, array: types.Array, value: Any, position: Any, width: int = WIDTH) -> Any:
    """Return neighbours in a flat array."""
    pointer = pointer_to(context, builder, array, value, position, vector_of(array.dtype, width))
    return builder.load(pointer, align=array.dtype.bitwidth // 8)


def store_vector(context: Any, builder: Any, array: types.Array, value: Any, position: Any, vector: Any) -> None:
    """Write 16 neighbours of a flat array."""
    pointer = pointer_to(context, builder, array, value, position, vector_of(array.dtype))
    builder.store(vector, pointer, align=array.dtype.bitwidth // 8)


@intrinsic
def load(typing: Any, array: Any, position: Any) -> Any:
    """Return the 16 numbers of a flat array that begin at a position."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load_vector(context, builder, signature.args[0], *arguments)

    return Lanes(array.dtype)(array, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, position: Any, lanes: Any) -> Any:
    """Write 16 numbers into a flat array from a position on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        store_vector(context, builder, signature.args[0], *arguments)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), emit


@intrinsic
def get(typing: Any, array: Any, position: Any) -> Any:
    """Return a number of an array by its position in all; unlike an index, it is never counted from the end."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load(builder.gep(data, [arguments[1]]))

    return array.dtype(array, types.intp), emit


@intrinsic
def put(typing: Any, array: Any, position: Any, number: Any) -> Any:
    """Write a number into an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.store(arguments[2], builder.gep(data, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), emit


@intrinsic
def spread(typing: Any, number: Any) -> Any:
    """Return a number in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return splat(builder, arguments[0])

    return Lanes(number)(number), emit


@intrinsic
def nothing(typing: Any, array: Any) -> Any:
    """Return zeros in all lanes, for the numbers of an array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return constant(vector_of(signature.return_type.element), 0.0)

    return Lanes(array.dtype)(array), emit


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
def _select(typing: Any, mask: Any, chosen: Any, other: Any) -> Any:
    common = _common(chosen, other)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pairs = zip(arguments[1:], signature.args[1:], strict=True)
        values = [_as_lanes(context, builder, value, kind, common.element) for value, kind in pairs]  # type: ignore[union-attr]
        return builder.select(arguments[0], *values)

    return common(mask, chosen, other), emit  # type: ignore[misc]


@overload(arithmetic.select, strict=False)
def _overload_select(condition: Any, chosen: Any, other: Any) -> Any:
    return lambda condition, chosen, other: _select(condition, chosen, other)


@overload(arithmetic.by_dtype, strict=False)
def _overload_by_dtype(x: Any, single: Any, double: Any) -> Any:
    if x.element is types.float32:
        return lambda x, single, double: single
    return lambda x, single, double: double


def _define_unary(function: Any, emit: Any) -> None:
    """Let a primitive of the definition take vectors."""

    @intrinsic
    def compiled(typing: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return emit(builder, arguments[0], BITS[signature.args[0].element])

        return x(x), generate

    @overload(function, strict=False)
    def _overload_unary(x: Any) -> Any:
        return (lambda x: compiled(x)) if isinstance(x, Lanes) else None


def _call(name: str) -> Any:
    """Return what emits LLVM's own vector function, one instruction of the processor."""

    def emit(builder: Any, vector: Any, bits: int) -> Any:
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector.type, [vector.type]), f"llvm.{name}.v{WIDTH}f{bits}"
        )
        return builder.call(function, [vector])

    return emit


def _layout(bits: int) -> tuple[ir.VectorType, int, int]:
    """Return the integers of a float's size, how many bits its fraction has, and its exponent's bias."""
    fraction = FRACTION_BITS[np.dtype(f"float{bits}")]
    return ir.VectorType(ir.IntType(bits), WIDTH), fraction, (1 << (bits - 2 - fraction)) - 1


def _emit_power_of_two(builder: Any, vector: Any, bits: int) -> Any:
    integers, fraction, bias = _layout(bits)
    biased = builder.add(builder.fptosi(vector, integers), constant(integers, bias))
    return builder.bitcast(builder.shl(biased, constant(integers, fraction)), vector.type)


def _emit_exponent(builder: Any, vector: Any, bits: int) -> Any:
    integers, fraction, bias = _layout(bits)
    biased = builder.ashr(builder.bitcast(vector, integers), constant(integers, fraction))
    return builder.sitofp(builder.sub(biased, constant(integers, bias)), vector.type)


_define_unary(arithmetic.absolute, _call("fabs"))
_define_unary(arithmetic.square_root, _call("sqrt"))
_define_unary(arithmetic.power_of_two, _emit_power_of_two)
_define_unary(arithmetic.exponent, _emit_exponent)


@intrinsic
def arrive(typing: Any, counter: Any) -> Any:
    """Add 1 to the first number of an array, so that other threads see it and all that was written before."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", pointer, ir.IntType(64)(1), "seq_cst")

    return types.int64(counter), emit


@intrinsic
def arrived(typing: Any, counter: Any) -> Any:
    """Return the first number of an array, and see all that was written before it was counted up."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(counter), emit
