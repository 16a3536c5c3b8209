"""Tiles for Numba: the sums of a product that stay in registers, some rows of some vectors."""

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from plainmlp.nn.compiled.lanes import BITS, load_vector, pointer_to, splat, vector_of

FEATURES = get_host_cpu_features().flatten() if config.CPU_FEATURES is None else config.CPU_FEATURES
HAS_WIDEST = "+avx512f" in FEATURES.split(",")
REGISTER_BITS = 512 if HAS_WIDEST else 256
ROWS = 8 if HAS_WIDEST else 4  # of a tile of two vectors: as many sums as registers hold beside the factors
FEW_ROWS = ROWS // 2


class Tile(types.Type):
    """The type of sums that stay in registers: some rows of some vectors.

    Parameters
    ----------
    n_rows, n_vectors, width : int
        `width` numbers are a vector.
    element : numba type
        float32 or float64.
    """

    def __init__(self, n_rows: int, n_vectors: int, width: int, element: types.Type) -> None:
        self.n_rows, self.n_vectors, self.width, self.element = n_rows, n_vectors, width, element
        super().__init__(name=f"Tile({n_rows}, {n_vectors}, {width}, {element})")

    @property
    def vector(self) -> ir.VectorType:
        """Return LLVM's type of a vector."""
        return vector_of(self.element, self.width)


@register_model(Tile)
class _TileModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Tile) -> None:
        super().__init__(manager, kind, ir.ArrayType(kind.vector, kind.n_rows * kind.n_vectors))


def _emit_zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return ir.Constant(context.get_value_type(signature.return_type), None)


@intrinsic(prefer_literal=True)
def zeros(typing: Any, n_rows: Any, n_vectors: Any, array: Any) -> Any:
    """Return a tile of zeros for the numbers of an array, of vectors that fill a register."""
    width = REGISTER_BITS // BITS[array.dtype]
    return Tile(n_rows.literal_value, n_vectors.literal_value, width, array.dtype)(
        n_rows, n_vectors, array
    ), _emit_zeros


@intrinsic
def square(typing: Any, array: Any) -> Any:
    """Return a tile of zeros for the numbers of an array, of as many rows as columns."""
    width = REGISTER_BITS // BITS[array.dtype]
    return Tile(width, 1, width, array.dtype)(array), _emit_zeros


@intrinsic
def height_of(typing: Any, tile: Any) -> Any:
    """Return the number of a tile's rows."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, tile.n_rows)

    return types.intp(tile), emit


@intrinsic
def width_of(typing: Any, tile: Any) -> Any:
    """Return the number of a tile's columns."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, tile.n_vectors * tile.width)

    return types.intp(tile), emit


@intrinsic
def add_products(typing: Any, tile: Any, array: Any, start: Any, stride: Any, position: Any) -> Any:
    """Add to each row of a tile a number times vectors: a multiplication, then an addition.

    Row r takes the number at start + r stride of a flat array, and the vectors what follows on position, side by side.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, numbers, start, stride, position = arguments
        data = context.make_array(array)(context, builder, numbers).data
        vectors = [
            load_vector(
                context, builder, array, numbers, builder.add(position, position.type(tile.width * c)), tile.width
            )
            for c in range(tile.n_vectors)
        ]
        for r in range(tile.n_rows):
            place = builder.add(start, builder.mul(stride, stride.type(r)))
            number = splat(builder, builder.load(builder.gep(data, [place])), tile.width)
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
                place = builder.add(start, start.type(tile.width * c))
                vector = load_vector(context, builder, array, numbers, place, tile.width)
                sums = builder.insert_value(sums, vector, r * tile.n_vectors + c)
        return sums

    return tile(tile, array, places, types.intp, types.intp, types.intp), emit


@intrinsic
def turned(typing: Any, tile: Any) -> Any:
    """Return a square tile with its rows as columns."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = tile.width
        rows = [builder.extract_value(arguments[0], r) for r in range(size)]
        half, kind = size // 2, ir.VectorType(ir.IntType(32), size)
        for _ in range(size.bit_length() - 1):  # each time the numbers of row r + size / 2 between those of row r
            mixed = []
            for r in range(half):
                for start in (0, half):
                    places = [start + i // 2 + i % 2 * size for i in range(size)]
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
        kind, width = tile.vector, tile.width
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(width)))
        masked = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(
                ir.VoidType(), [kind, kind.as_pointer(), ir.IntType(32), ir.VectorType(ir.IntType(1), width)]
            ),
            f"llvm.masked.store.v{width}f{BITS[tile.element]}.p0",
        )
        for r in range(tile.n_rows):
            row = builder.load(builder.gep(numbers, [builder.add(first, first.type(r))]))
            start = builder.add(builder.mul(row, stride), position)
            for c in range(tile.n_vectors):
                place = builder.add(start, start.type(width * c))
                pointer = pointer_to(context, builder, signature.args[1], array, place, kind)
                kept = splat(builder, builder.trunc(builder.sub(n_kept, n_kept.type(width * c)), ir.IntType(32)), width)
                vector = builder.extract_value(sums, r * tile.n_vectors + c)
                mask = builder.icmp_signed("<", lanes, kept)
                builder.call(masked, [vector, pointer, ir.IntType(32)(BITS[tile.element] // 8), mask])
        return context.get_dummy_value()

    return types.void(tile, array, places, types.intp, types.intp, types.intp, types.intp), emit
