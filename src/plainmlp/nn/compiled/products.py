"""The products and sums of `plainmlp.nn.products`, compiled: the same orders, in registers and within a cache's reach.

All numbers of a network lie in one flat array, `memory`, and all whole numbers that say where in another, `plan`, of
which `plan[places + k]` here means the number at that position in all. A layer's values have a row of `width` numbers for each unit: samples side by side, and zeros up to a multiple of 16.
"""

from typing import Any, NamedTuple

from numba import njit
from numba.extending import register_jitable

from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, load, nothing, store
from plainmlp.nn.compiled.tiles import FEW_ROWS, ROWS, add_products, load_tile, store_tile, zeros
from plainmlp.nn.products import BLOCK

Flat = Any  # a flat array in compiled code
PACKED_COLUMNS = 128  # from so many on it pays to pack a deep left factor
COLUMNS = 512  # at a time: with a depth of 256, what the cache of a core holds
inner = njit(nogil=True, error_model="numpy")
inlined = njit(nogil=True, error_model="numpy", forceinline=True)
register_jitable(at.padded)
register_jitable(at.spaced)


class Left(NamedTuple):
    """The left factor of a product: row r takes, at depth k, memory[start + plan[places + k] step + r stride]."""

    start: int
    places: int
    step: int
    stride: int


class Right(NamedTuple):
    """The right factor of a product: column c takes, at depth k, memory[start + k step + c]."""

    start: int
    step: int


class Out(NamedTuple):
    """Where a product goes: row r, column c to memory[start + plan[places + r] stride + c]."""

    start: int
    places: int
    stride: int


class Product(NamedTuple):
    """A product of two factors, whose sums go in order over their depth."""

    n_columns: int
    depth: int
    left: Left
    right: Right
    out: Out


class Listed(NamedTuple):
    """Some numbers, each with a row of others: number k is memory[start + k], its row begins at rows + plan[places + k] stride."""

    start: int
    places: int
    size: int
    rows: int
    stride: int


@inlined
def _sum_tile(tile: Any, plan: Flat, memory: Flat, product: Any, row: int, column: int, goes_on: bool) -> None:
    """Sum the products of a tile, or add them to the sums that are there, and write the tile."""
    n_columns, depth, left, right, out = product
    start, position, place = left.start + row * left.stride, right.start + column, out.start + column
    if goes_on:
        tile = load_tile(tile, memory, plan, out.places + row, out.stride, place)
    for k in range(depth):
        tile = add_products(tile, memory, start + get(plan, left.places + k) * left.step, left.stride, position)
        position += right.step
    store_tile(tile, memory, plan, out.places + row, out.stride, place, n_columns - column)


@inner
def _sum_row(
    tile: Any, narrow: Any, plan: Flat, memory: Flat, product: Any, row: int, last_row: int, goes_on: bool
) -> int:
    """Sum rows of tiles while there are rows enough, the last columns in narrow ones, and return which row is next."""
    height, width, edge = tile.n_rows, tile.n_columns, product.n_columns - narrow.n_columns
    while last_row - row >= height:
        column = 0
        while column < edge:
            _sum_tile(tile, plan, memory, product, row, column, goes_on)
            column += width
        if column < product.n_columns:
            _sum_tile(narrow, plan, memory, product, row, column, goes_on)
        row += height
    return row


@inner
def _sum_rows(plan: Flat, memory: Flat, product: Any, first_row: int, last_row: int, goes_on: bool) -> None:
    """Sum some rows: many together, then half as many, and the others one by one, of four vectors since a sum waits for itself."""
    row = _sum_row(zeros(ROWS, 2, memory), zeros(ROWS, 1, memory), plan, memory, product, first_row, last_row, goes_on)
    row = _sum_row(
        zeros(FEW_ROWS, 2, memory), zeros(FEW_ROWS, 1, memory), plan, memory, product, row, last_row, goes_on
    )
    _sum_row(zeros(1, 4, memory), zeros(1, 1, memory), plan, memory, product, row, last_row, goes_on)


@inner
def ordered_products(plan: Any, memory: Flat, product: Any, first_row: int, last_row: int, rank: int) -> None:
    """Write some rows of a product whose sums go in order over their depth.

    Of many columns a deep left factor whose rows are neighbours is packed, 16 rows and a depth of 256 at a time; the sums
    then go on where they were left. Each thread has room for that.
    """
    n_columns, depth, left, right, out = product
    if n_columns < PACKED_COLUMNS or depth <= BLOCK or left.stride != 1:
        _sum_rows(plan, memory, product, first_row, last_row, False)
        return
    order, packed = plan[at.SINGLE, at.ORDER], plan[at.SINGLE, at.PACKED] + rank * BLOCK * WIDTH
    for column in range(0, n_columns, COLUMNS):
        n, to = min(COLUMNS, n_columns - column), Out(out.start + column, out.places, out.stride)
        for first in range(0, depth, BLOCK):
            size, some = min(BLOCK, depth - first), Right(right.start + column + first * right.step, right.step)
            for start in range(first_row, last_row, WIDTH):
                stop = min(start + WIDTH, last_row)
                for k in range(size):
                    position = left.start + get(plan, left.places + first + k) * left.step
                    store(memory, packed + k * WIDTH, load(memory, position + start))
                part = Product(n, size, Left(packed - start, order, WIDTH, 1), some, to)
                _sum_rows(plan, memory, part, start, stop, first > 0)


@inlined
def _write_listed(tile: Any, plan: Flat, memory: Flat, listed: Any, column: int, n_columns: int, out: int) -> int:
    """Write a tile of one row, and return which column is behind it."""
    for k in range(listed.size):
        position = listed.rows + get(plan, listed.places + k) * listed.stride
        tile = add_products(tile, memory, listed.start + k, 0, position + column)
    store_tile(tile, memory, plan, 0, 0, out + column, n_columns - column)
    return column + tile.n_columns


@inner
def listed_product(plan: Any, memory: Flat, listed: Any, n_columns: int, out: int) -> None:
    """Write the sum in order over a list of numbers, each times its row. What is zero need not be listed."""
    column, width = 0, zeros(1, 1, memory).n_columns
    while column < n_columns:
        left = n_columns - column
        if left > 4 * width:
            column = _write_listed(zeros(1, 8, memory), plan, memory, listed, column, n_columns, out)
        elif left > 2 * width:
            column = _write_listed(zeros(1, 4, memory), plan, memory, listed, column, n_columns, out)
        elif left > width:
            column = _write_listed(zeros(1, 2, memory), plan, memory, listed, column, n_columns, out)
        else:
            column = _write_listed(zeros(1, 1, memory), plan, memory, listed, column, n_columns, out)


@inner
def lane_products(
    plan: Flat, memory: Flat, first_row: int, last_row: int, n_columns: int, width: int, left: int, right: int, out: Any
) -> None:
    """Write some rows of a product whose sums go over a block's samples in 16 lanes: of rows at `left` and at `right`."""
    last = n_columns - 1
    for row in range(first_row, last_row, 2):
        below = min(row + 1, last_row - 1)  # behind the last row, and the last column, it stands again
        upper, lower = left + row * width, left + below * width
        above_out = out.start + get(plan, out.places + row) * out.stride
        below_out = out.start + get(plan, out.places + below) * out.stride
        for column in range(0, n_columns, 2):
            beside = min(column + 1, last)
            first, second = right + column * width, right + beside * width
            a = b = c = d = nothing(memory)
            for v in range(0, width, WIDTH):
                x, y = load(memory, upper + v), load(memory, lower + v)
                a = a + x * load(memory, first + v)
                b = b + x * load(memory, second + v)
                c = c + y * load(memory, first + v)
                d = d + y * load(memory, second + v)
            memory[above_out + column], memory[above_out + beside] = fold(a), fold(b)
            memory[below_out + column], memory[below_out + beside] = fold(c), fold(d)


@inner
def lane_sum(memory: Flat, start: int, width: int) -> Any:
    """Return the sum of a row, in 16 lanes."""
    lanes = nothing(memory)
    for v in range(0, width, WIDTH):
        lanes = lanes + load(memory, start + v)
    return fold(lanes)


@inner
def add_in_pairs(memory: Flat, sums: int, n: int) -> Any:
    """Return the sum of n sums of blocks, of two neighbours, of two such pairs, and so on; they are overwritten."""
    while n > 1:
        for k in range(n // 2):
            memory[sums + k] = memory[sums + 2 * k] + memory[sums + 2 * k + 1]
        if n % 2:
            memory[sums + n // 2] = memory[sums + n - 1]
        n = (n + 1) // 2
    return memory[sums]


@inner
def add_vectors_in_pairs(
    sums: Any, n_before: int, memory: Flat, values: int, first: int, last: int, is_last: bool
) -> None:
    """Do the same with a part of the vectors of one block after another; the last block's become the sums of all.

    Until then sums[l] is that of the latest 2^l blocks, for each bit l of their number.
    """
    stride = sums.size // at.LEVELS
    for i in range(first, last, WIDTH):
        vector, level = load(memory, values + i), 0
        while n_before >> level & 1 or (is_last and n_before >> level):
            if n_before >> level & 1:
                vector = load(sums, level * stride + i) + vector
            level += 1
        if is_last:
            store(memory, values + i, vector)
        else:
            store(sums, level * stride + i, vector)
