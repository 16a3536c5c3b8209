"""Tiles for Numba: the sums of a product that stay in registers, some rows of some vectors of 16 numbers."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from plainmlp.nn.compiled.lanes import BITS, WIDTH, load_vector, pointer_to, splat, vector_of


class Tile(types.Type):
    """The type of sums that stay in registers: some rows of some vectors.

    Parameters
    ----------
    n_rows, n_vectors : int
    element : numba type
        float32 or float64.
    """

    def __init__(self, n_rows: int, n_vectors: int, element: types.Type) -> None:
        self.n_rows, self.n_vectors, self.element = n_rows, n_vectors, element
        super().__init__(name=f"Tile({n_rows}, {n_vectors}, {element})")


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Tile) -> None:
        super().__init__(manager, kind, ir.ArrayType(vector_of(kind.element), kind.n_rows * kind.n_vectors))


@intrinsic(prefer_literal=True)
def zeros(typing: Any, n_rows: Any, n_vectors: Any, array: Any) -> Any:
    """Return a tile of zeros for the numbers of an array."""
    kind = Tile(n_rows.literal_value, n_vectors.literal_value, array.dtype)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(kind), None)

    return kind(n_rows, n_vectors, array), emit


@intrinsic
def add_products(typing: Any, tile: Any, array: Any, start: Any, stride: Any, position: Any) -> Any:
    """Add to each row of a tile a number times vectors: a multiplication, then an addition.

    Row r takes the number at start + r stride of a flat array, and vector c its 16 numbers at position + 16 c.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, numbers, start, stride, position = arguments
        data = context.make_array(array)(context, builder, numbers).data
        vectors = [
            load_vector(context, builder, array, numbers, builder.add(position, position.type(WIDTH * c)))
            for c in range(tile.n_vectors)
        ]
        for r in range(tile.n_rows):
            place = builder.add(start, builder.mul(stride, stride.type(r)))
            number = splat(builder, builder.load(builder.gep(data, [place])))
            for c, vector in enumerate(vectors):
                index = r * tile.n_vectors + c
                added = builder.fadd(builder.extract_value(sums, index), builder.fmul(number, vector))
                sums = builder.insert_value(sums, added, index)
        return sums

    return tile(tile, array, types.intp, types.intp, types.intp), emit


@intrinsic
def load_tile(typing: Any, tile: Any, array: Any, places: Any, first: Any, stride: Any, position: Any) -> Any:
    """Return the tile that `store_tile` wrote; `tile` says of what size."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, numbers, places, first, stride, position = arguments
        data = context.make_array(signature.args[2])(context, builder, places).data
        for r in range(tile.n_rows):
            row = builder.load(builder.gep(data, [builder.add(first, first.type(r))]))
            start = builder.add(builder.mul(row, stride), position)
            for c in range(tile.n_vectors):
                vector = load_vector(context, builder, array, numbers, builder.add(start, start.type(WIDTH * c)))
                sums = builder.insert_value(sums, vector, r * tile.n_vectors + c)
        return sums

    return tile(tile, array, places, types.intp, types.intp, types.intp), emit


@intrinsic
def turned(typing: Any, tile: Any) -> Any:
    """Return a tile of 16 rows and a vector each, with its rows as columns."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = [builder.extract_value(arguments[0], r) for r in range(WIDTH)]
        half, kind = WIDTH // 2, ir.VectorType(ir.IntType(32), WIDTH)
        for _ in range(WIDTH.bit_length() - 1):  # four times row r + 8 between the numbers of row r
            mixed = []
            for r in range(half):
                for start in (0, half):
                    places = [start + i // 2 + i % 2 * WIDTH for i in range(WIDTH)]
                    mixed.append(builder.shuffle_vector(rows[r], rows[r + half], ir.Constant(kind, places)))
            rows = mixed
        whole = ir.Constant(context.get_value_type(tile), ir.Undefined)
        for r, row in enumerate(rows):
            whole = builder.insert_value(whole, row, r)
        return whole

    return tile(tile), emit


@intrinsic
def store_tile(
    typing: Any, tile: Any, array: Any, places: Any, first: Any, stride: Any, position: Any, n_kept: Any
) -> Any:
    """Write a tile into a flat array: row r from places[first + r] stride + position on, its first n_kept numbers."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, array, places, first, stride, position, n_kept = arguments
        numbers = context.make_array(signature.args[2])(context, builder, places).data
        kind = vector_of(tile.element)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), list(range(WIDTH)))
        masked = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(
                ir.VoidType(), [kind, kind.as_pointer(), ir.IntType(32), ir.VectorType(ir.IntType(1), WIDTH)]
            ),
            f"llvm.masked.store.v{WIDTH}f{BITS[tile.element]}.p0",
        )
        for r in range(tile.n_rows):
            row = builder.load(builder.gep(numbers, [builder.add(first, first.type(r))]))
            start = builder.add(builder.mul(row, stride), position)
            for c in range(tile.n_vectors):
                pointer = pointer_to(
                    context, builder, signature.args[1], array, builder.add(start, start.type(WIDTH * c)), kind
                )
                kept = splat(builder, builder.trunc(builder.sub(n_kept, n_kept.type(WIDTH * c)), ir.IntType(32)))
                vector = builder.extract_value(sums, r * tile.n_vectors + c)
                mask = builder.icmp_signed("<", lanes, kept)
                builder.call(masked, [vector, pointer, ir.IntType(32)(BITS[tile.element] // 8), mask])
        return context.get_dummy_value()

    return types.void(tile, array, places, types.intp, types.intp, types.intp, types.intp), emit
