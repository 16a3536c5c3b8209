"""Tiles for Numba: the sums of a product that stay in registers, some rows of some vectors."""

from typing import Any

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload_attribute, register_model

from plainmlp.nn.compiled.lanes import pointer_to, read, splat, vector_of

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
    width = REGISTER_BITS // array.dtype.bitwidth
    return Tile(n_rows.literal_value, n_vectors.literal_value, width, array.dtype)(
        n_rows, n_vectors, array
    ), _emit_zeros


@intrinsic
def square(typing: Any, array: Any) -> Any:
    """Return a tile of zeros for the numbers of an array, of as many rows as columns."""
    width = REGISTER_BITS // array.dtype.bitwidth
    return Tile(width, 1, width, array.dtype)(array), _emit_zeros


@overload_attribute(Tile, "n_rows", strict=False)
def _n_rows(tile: Any) -> Any:
    n_rows = tile.n_rows
    return lambda tile: n_rows


@overload_attribute(Tile, "n_columns", strict=False)
def _n_columns(tile: Any) -> Any:
    n_columns = tile.n_vectors * tile.width
    return lambda tile: n_columns


@intrinsic
def add_products(typing: Any, tile: Any, array: Any, start: Any, stride: Any, position: Any) -> Any:
    """Add to each row of a tile a number times vectors: a multiplication, then an addition.

    Row r takes the number at start + r stride of a flat array, and the vectors what follows on position, side by side.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, numbers, start, stride, position = arguments
        places = [builder.add(position, position.type(tile.width * c)) for c in range(tile.n_vectors)]
        vectors = [read(context, builder, array, numbers, place, tile.vector) for place in places]
        for r in range(tile.n_rows):
            place = builder.add(start, builder.mul(stride, stride.type(r)))
            number = read(context, builder, array, numbers, place, tile.vector.element)
            number = splat(builder, number, tile.width)
            for c, vector in enumerate(vectors):
                index = r * tile.n_vectors + c
                added = builder.fadd(builder.extract_value(sums, index), builder.fmul(number, vector))
                sums = builder.insert_value(sums, added, index)
        return sums

    return tile(tile, array, types.intp, types.intp, types.intp), emit


def _vectors(context: Any, builder: Any, tile: Tile, whole: types.Array, arguments: Any) -> Any:
    """Yield the number of each vector of a tile, its first column, and where it lies; see `store_tile`."""
    places, first, stride, position = arguments
    for r in range(tile.n_rows):
        row = read(context, builder, whole, places, builder.add(first, first.type(r)), ir.IntType(64))
        start = builder.add(builder.mul(row, stride), position)
        for c in range(tile.n_vectors):
            yield r * tile.n_vectors + c, tile.width * c, builder.add(start, start.type(tile.width * c))


@intrinsic
def load_tile(typing: Any, tile: Any, array: Any, places: Any, first: Any, stride: Any, position: Any) -> Any:
    """Return the tile that `store_tile` wrote; `tile` says of what size."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, numbers, *where = arguments
        for index, _, place in _vectors(context, builder, tile, places, where):
            vector = read(context, builder, array, numbers, place, tile.vector)
            sums = builder.insert_value(sums, vector, index)
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
        sums, numbers, *where, n_kept = arguments
        kind, width, bits = tile.vector, tile.width, tile.element.bitwidth
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(width)))
        given = [kind, kind.as_pointer(), ir.IntType(32), ir.VectorType(ir.IntType(1), width)]
        masked = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), given), f"llvm.masked.store.v{width}f{bits}.p0"
        )
        for index, column, place in _vectors(context, builder, tile, places, where):
            kept = builder.trunc(builder.sub(n_kept, n_kept.type(column)), ir.IntType(32))
            mask = builder.icmp_signed("<", lanes, splat(builder, kept, width))
            pointer = pointer_to(context, builder, array, numbers, place, kind)
            builder.call(masked, [builder.extract_value(sums, index), pointer, ir.IntType(32)(bits // 8), mask])
        return context.get_dummy_value()

    return types.void(tile, array, places, types.intp, types.intp, types.intp, types.intp), emit
