"""The products and sums of `plainmlp.nn.products`, compiled: the same orders, in registers and within a cache's reach.

All numbers of a network lie in one flat array, `memory`, and all whole numbers that say where in another, `plan`. A
layer's values have a row of `width` numbers for each unit: samples side by side, and zeros up to a multiple of 16.
"""

from typing import Any, NamedTuple

from numba import njit

from plainmlp.nn.compiled.lanes import WIDTH, fold, get, load, nothing, put, store
from plainmlp.nn.compiled.plan import LEVELS
from plainmlp.nn.compiled.tiles import add_products, load_tile, store_tile, zeros
from plainmlp.nn.products import BLOCK

Flat = Any  # a flat array in compiled code
PACKED_COLUMNS = 128  # from so many on it pays to pack the left factor of a product
COLUMNS = 512  # at a time: with a depth of 256, what the cache of a core holds
inner = njit(nogil=True, error_model="numpy")
inlined = njit(nogil=True, error_model="numpy", forceinline=True)


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


@inlined
def _sum_tile(
    tile: Any,
    plan: Flat,
    memory: Flat,
    row: int,
    column: int,
    n_columns: int,
    depth: int,
    left: Any,
    right: Any,
    out: Any,
) -> None:
    """Sum the products of a tile in order over the depth, and write the tile."""
    start = left.start + row * left.stride
    position = right.start + column
    for k in range(depth):
        tile = add_products(tile, memory, start + get(plan, left.places + k) * left.step, left.stride, position)
        position += right.step
    store_tile(tile, memory, plan, out.places + row, out.stride, out.start + column, n_columns - column)


@inner
def _sum_rows(
    wide: Any,
    n_wide: int,
    narrow: Any,
    n_narrow: int,
    plan: Flat,
    memory: Flat,
    row: int,
    n_columns: int,
    depth: int,
    left: Any,
    right: Any,
    out: Any,
) -> None:
    """Sum the products of some rows, `n_wide` columns at a time as long as more than `n_narrow` are left."""
    n_tiles = max(0, n_columns - n_narrow + n_wide - 1) // n_wide
    for tile in range(n_tiles):
        _sum_tile(wide, plan, memory, row, tile * n_wide, n_columns, depth, left, right, out)
    if n_tiles * n_wide < n_columns:
        _sum_tile(narrow, plan, memory, row, n_tiles * n_wide, n_columns, depth, left, right, out)


@inner
def ordered_products(
    plan: Flat,
    memory: Flat,
    packed: int,
    first_row: int,
    last_row: int,
    n_columns: int,
    depth: int,
    left: Any,
    right: Any,
    out: Any,
) -> None:
    """Write some rows of a product of two factors, whose sums go in order over their depth.

    Of many columns the left factor is packed: at `packed` there is room for a block of it.
    """
    if n_columns >= PACKED_COLUMNS and depth > WIDTH:
        for first in range(0, n_columns, COLUMNS):
            n = min(COLUMNS, n_columns - first)
            some, to = Right(right.start + first, right.step), Out(out.start + first, out.places, out.stride)
            _packed_products(plan, memory, packed, first_row, last_row, n, depth, left, some, to)
        return
    row = first_row
    while last_row - row >= 4:
        wide, narrow = zeros(4, 2, memory), zeros(4, 1, memory)
        _sum_rows(wide, 2 * WIDTH, narrow, WIDTH, plan, memory, row, n_columns, depth, left, right, out)
        row += 4
    while row < last_row:  # sums that wait for each other: as many side by side
        longer, shorter = zeros(1, 8, memory), zeros(1, 2, memory)
        _sum_rows(longer, 8 * WIDTH, shorter, 2 * WIDTH, plan, memory, row, n_columns, depth, left, right, out)
        row += 1


@inner
def _packed_products(
    plan: Flat,
    memory: Flat,
    packed: int,
    first_row: int,
    last_row: int,
    n_columns: int,
    depth: int,
    left: Any,
    right: Any,
    out: Any,
) -> None:
    """Do the same a block of 16 rows and a depth of 256 at a time; the sums of a row go on where they were left."""
    for first in range(0, depth, BLOCK):
        size = min(BLOCK, depth - first)
        some = Right(right.start + first * right.step, right.step)
        for start in range(first_row, last_row, WIDTH):
            n_rows = min(WIDTH, last_row - start)
            for k in range(size):
                position = left.start + get(plan, left.places + first + k) * left.step + start * left.stride
                for r in range(n_rows):
                    put(memory, packed + k * WIDTH + r, get(memory, position + r * left.stride))
            row = 0
            while n_rows - row >= 4:
                _go_on(zeros(4, 2, memory), plan, memory, packed + row, start + row, n_columns, first, size, some, out)
                row += 4
            while row < n_rows:
                _go_on(zeros(1, 2, memory), plan, memory, packed + row, start + row, n_columns, first, size, some, out)
                row += 1


@inlined
def _go_on(
    tile: Any,
    plan: Flat,
    memory: Flat,
    packed: int,
    row: int,
    n_columns: int,
    first: int,
    size: int,
    right: Any,
    out: Any,
) -> None:
    """Add products to the sums of some rows, which begin with zero at the depth 0."""
    for column in range(0, n_columns, 2 * WIDTH):
        sums, place, position = tile, out.start + column, right.start + column
        if first:
            sums = load_tile(tile, memory, plan, out.places + row, out.stride, place)
        for k in range(size):
            sums = add_products(sums, memory, packed + k * WIDTH, 1, position)
            position += right.step
        store_tile(sums, memory, plan, out.places + row, out.stride, place, n_columns - column)


@inlined
def _sum_listed(
    tile: Any, plan: Flat, memory: Flat, values: int, places: int, count: int, base: int, stride: int
) -> Any:
    """Return a tile of one row: the sum in order over a list of values, each times the vectors at its place."""
    for k in range(count):
        tile = add_products(tile, memory, values + k, 0, base + get(plan, places + k) * stride)
    return tile


@inner
def listed_product(
    plan: Flat,
    memory: Flat,
    n_columns: int,
    values: int,
    places: int,
    count: int,
    base: int,
    stride: int,
    out: int,
    order: int,
) -> None:
    """Write the sum in order over a list of values, each times a row of numbers.

    Value k lies at values + k, and its row at base + plan[places + k] stride. What is zero need not be listed.
    """
    column = 0
    while column < n_columns:
        left, at, to = n_columns - column, base + column, out + column
        if left > 4 * WIDTH:
            tile8 = _sum_listed(zeros(1, 8, memory), plan, memory, values, places, count, at, stride)
            store_tile(tile8, memory, plan, order, 0, to, left)
            column += 8 * WIDTH
        elif left > 2 * WIDTH:
            tile4 = _sum_listed(zeros(1, 4, memory), plan, memory, values, places, count, at, stride)
            store_tile(tile4, memory, plan, order, 0, to, left)
            column += 4 * WIDTH
        elif left > WIDTH:
            tile2 = _sum_listed(zeros(1, 2, memory), plan, memory, values, places, count, at, stride)
            store_tile(tile2, memory, plan, order, 0, to, left)
            column += 2 * WIDTH
        else:
            tile1 = _sum_listed(zeros(1, 1, memory), plan, memory, values, places, count, at, stride)
            store_tile(tile1, memory, plan, order, 0, to, left)
            column += WIDTH


@inner
def lane_products(
    plan: Flat, memory: Flat, first_row: int, last_row: int, n_columns: int, width: int, left: int, right: int, out: Any
) -> None:
    """Write some rows of a product whose sums go over a block's samples in 16 lanes: of rows at `left` and at `right`."""
    last = n_columns - 1
    for row in range(first_row, last_row):
        place = out.start + plan[out.places + row] * out.stride
        start = left + row * width
        for column in range(0, n_columns, 4):  # behind the last column it stands again
            second, third, fourth = min(column + 1, last), min(column + 2, last), min(column + 3, last)
            a = b = c = d = nothing(memory)
            for v in range(0, width, WIDTH):
                x, position = load(memory, start + v), right + v
                a = a + x * load(memory, position + column * width)
                b = b + x * load(memory, position + second * width)
                c = c + x * load(memory, position + third * width)
                d = d + x * load(memory, position + fourth * width)
            memory[place + column], memory[place + second] = fold(a), fold(b)
            memory[place + third], memory[place + fourth] = fold(c), fold(d)


@inner
def lane_sum(memory: Flat, start: int, width: int) -> Any:
    """Return the sum of a row, in 16 lanes."""
    lanes = nothing(memory)
    for v in range(0, width, WIDTH):
        lanes = lanes + load(memory, start + v)
    return fold(lanes)


@inner
def add_in_pairs(memory: Flat, sums: int, n_before: int, value: Any) -> None:
    """Add the sum of a block to those of the blocks before it, in pairs: at sums + l is that of 2^l of them."""
    level = 0
    while n_before >> level & 1:
        value = memory[sums + level] + value
        level += 1
    memory[sums + level] = value


@inner
def close_pairs(memory: Flat, sums: int, n_blocks: int) -> Any:
    """Return the sum of all blocks, the latest added last."""
    level = 0
    while not n_blocks >> level & 1:
        level += 1
    value = memory[sums + level]
    level += 1
    while n_blocks >> level:
        if n_blocks >> level & 1:
            value = memory[sums + level] + value
        level += 1
    return value


@inner
def add_vectors_in_pairs(sums: Any, n_before: int, memory: Flat, values: int, first: int, last: int) -> None:
    """Do the same with a part of vectors; sums[l] is that of 2^l blocks."""
    level = 0
    while n_before >> level & 1:
        level += 1
    for i in range(first, last, WIDTH):
        vector = load(memory, values + i)
        for below in range(level):
            vector = load(sums, below * (sums.size // LEVELS) + i) + vector
        store(sums, level * (sums.size // LEVELS) + i, vector)


@inner
def close_vector_pairs(sums: Any, n_blocks: int, memory: Flat, values: int, first: int, last: int) -> None:
    """Write the sum of the vectors of all blocks."""
    lowest = 0
    while not n_blocks >> lowest & 1:
        lowest += 1
    stride = sums.size // LEVELS
    for i in range(first, last, WIDTH):
        vector = load(sums, lowest * stride + i)
        level = lowest + 1
        while n_blocks >> level:
            if n_blocks >> level & 1:
                vector = load(sums, level * stride + i) + vector
            level += 1
        store(memory, values + i, vector)
