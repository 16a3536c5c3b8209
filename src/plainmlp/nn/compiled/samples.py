"""How the samples of a block are laid out for its passes, and their work is shared among threads."""

from typing import Any, NamedTuple

from numba import types

from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, arrive, arrived, get, holds_anywhere, load, nothing, store
from plainmlp.nn.compiled.products import Flat, Listed, inner, listed_product
from plainmlp.nn.compiled.tiles import load_tile, square, store_tile, turned
from plainmlp.nn.products import BLOCK

MANY_OUTPUTS = 64  # of the first layer: to list inputs pays where a third is not zero, of fewer outputs a sixth


class Samples(NamedTuple):
    """The samples of a block, see `plainmlp.nn.batches.Block`; inputs, values and weights are flat."""

    inputs: Flat
    classes: Flat
    values: Flat
    weights: Flat
    rows: Flat


class Team(NamedTuple):
    """Who makes a call: this thread's rank among so many, and a counter of those that have come so far."""

    rank: int
    size: int
    counter: Flat


class Span(NamedTuple):
    """A block of at most 256 samples of a batch.

    Parameters
    ----------
    first, n_real, width : int
        The first of them, how many there are, and that as a multiple of 16.
    draws, stride : int
        Where its draws begin, and how far those of two units lie apart.
    """

    first: int
    n_real: int
    width: int
    draws: int
    stride: int


yield_core = types.ExternalFunction("sched_yield", types.int32())


@inner
def wait(team: Any) -> None:
    """Go on when all threads have come here."""
    if team.size == 1:
        return
    goal = (arrive(team.counter) // team.size + 1) * team.size
    spins = 0
    while arrived(team.counter) < goal:
        spins += 1
        if spins > 2000:
            yield_core()


@inner
def share(n: int, unit: int, team: Any) -> Any:
    """Return where this thread's share of n elements begins and ends, in whole units."""
    if team.size == 1:
        return 0, n
    size = ((n + unit - 1) // unit + team.size - 1) // team.size * unit
    return min(n, team.rank * size), min(n, (team.rank + 1) * size)


@inner
def are_sparse(plan: Any, samples: Any, n_samples: int, team: Any) -> bool:
    """Say whether it pays to list the inputs that are not zero: if they are at most a share of those of some samples."""
    if not plan[at.SINGLE, at.CAN_LIST] or team.size > 1:
        return False
    n_in, n_used, n_seen = plan[at.SIZE, 0], 0, min(n_samples, WIDTH)
    for j in range(n_seen):
        source = samples.rows[j] * n_in
        for i in range(n_in):
            n_used += get(samples.inputs, source + i) != 0
    return (3 if plan[at.SIZE, 1] >= MANY_OUTPUTS else 6) * n_used <= n_seen * n_in


@inner
def list_inputs(plan: Any, memory: Flat, samples: Any, span: Any) -> None:
    """Write the sums of the first layer, without its biases, from the inputs that are not zero, and list these by input."""
    single, n_in, n_out, z = plan[at.SINGLE], plan[at.SIZE, 0], plan[at.SIZE, 1], plan[at.Z, 0]
    values, places, sums = single[at.ROW_VALUES], single[at.ROW_PLACES], single[at.TURNED]
    for i in range(n_in):
        store(plan, single[at.COLUMN_COUNTS] + i, 0)
    for j in range(span.n_real):
        count = list_sample(plan, memory, samples, samples.rows[span.first + j])
        listed = Listed(values, places, count, plan[at.WEIGHTS, 0], n_out)
        listed_product(plan, memory, listed, n_out, sums + j * at.spaced(n_out))
        _list_columns(plan, memory, j, count)
    turn(plan, memory, single[at.ORDER], at.spaced(n_out), sums, (0, span.width), n_out, memory, z, span.width)


@inner
def list_sample(plan: Any, memory: Flat, samples: Any, row: int) -> int:
    """List the inputs of a sample that are not zero, and return how many these are."""
    values, places, n_in, count = plan[at.SINGLE, at.ROW_VALUES], plan[at.SINGLE, at.ROW_PLACES], plan[at.SIZE, 0], 0
    for i in range(n_in):
        value = get(samples.inputs, row * n_in + i)
        store(memory, values + count, value)
        store(plan, places + count, i)
        count += value != 0
    return count


@inner
def _list_columns(plan: Any, memory: Flat, sample: int, count: int) -> None:
    """Add the inputs of a sample that are not zero to the list of each input."""
    single = plan[at.SINGLE]
    values, places = single[at.ROW_VALUES], single[at.ROW_PLACES]
    column_values, column_places, counts = single[at.COLUMN_VALUES], single[at.COLUMN_PLACES], single[at.COLUMN_COUNTS]
    for k in range(count):
        i = get(plan, places + k)
        n_before = get(plan, counts + i)
        store(memory, column_values + i * BLOCK + n_before, get(memory, values + k))
        store(plan, column_places + i * BLOCK + n_before, sample)
        store(plan, counts + i, n_before + 1)


@inner
def turn(
    plan: Any,
    numbers: Flat,
    places: int,
    step: int,
    source: int,
    rows: tuple[int, int],
    n_columns: int,
    memory: Flat,
    out: int,
    stride: int,
) -> None:
    """Write some rows as columns: square tiles, and the numbers beside them.

    Row r begins at numbers[source + plan[places + r] step], and becomes what follows memory[out + r] in strides.
    """
    (begin, end), size = rows, square(memory).n_columns
    edge, below = n_columns // size * size, begin + (end - begin) // size * size
    for row in range(begin, below, size):
        for column in range(0, edge, size):
            tile = turned(load_tile(square(memory), numbers, plan, places + row, step, source + column))
            store_tile(tile, memory, plan, plan[at.SINGLE, at.ORDER], stride, out + row + column * stride, size)
    for row in range(begin, end):
        start = source + get(plan, places + row) * step
        for column in range(edge if row < below else 0, n_columns):
            store(memory, out + row + column * stride, get(numbers, start + column))


@inner
def gather(plan: Any, memory: Flat, samples: Any, span: Any, team: Any) -> None:
    """Lay out the inputs, targets and shares of a block; those inputs first that are not zero throughout."""
    if plan[at.SINGLE, at.LISTS]:
        list_inputs(plan, memory, samples, span)
    else:
        _gather_inputs(plan, memory, samples, span, team)
        wait(team)
    if team.rank == 0:
        if not plan[at.SINGLE, at.LISTS]:
            _compress(plan, memory, span.width)
        gather_targets(plan, memory, samples, span)
    wait(team)


@inner
def _gather_inputs(plan: Any, memory: Flat, samples: Any, span: Any, team: Any) -> None:
    """Lay out inputs, and zeros behind the last sample."""
    n_in, width, starts = plan[at.SIZE, 0], span.width, plan[at.SINGLE, at.STARTS] + team.rank * BLOCK
    for j in range(width):
        store(plan, starts + j, get(samples.rows, span.first + min(j, span.n_real - 1)) * n_in)
    begin, end = share(n_in, WIDTH, team)
    read = plan[at.READ, 0] + begin * width
    turn(plan, samples.inputs, starts, 1, begin, (0, width), end - begin, memory, read, width)
    for i in range(read, read + (end - begin) * width, width):
        for j in range(span.n_real, width):
            store(memory, i + j, 0)


@inner
def gather_targets(plan: Any, memory: Flat, samples: Any, span: Any) -> None:
    """Lay out targets, shares, and ones for the samples that there are; behind them zeros, or the last sample's class."""
    single, n_out, width = plan[at.SINGLE], plan[at.SIZE, plan[at.SINGLE, at.N_LAYERS]], span.width
    targets, shares, real = single[at.TARGETS], single[at.SHARES], single[at.REAL]
    for j in range(width):
        store(memory, real + j, j < span.n_real)
        store(memory, shares + j, j < span.n_real)
    for j in range(span.n_real if samples.weights.size else 0):
        store(memory, shares + j, get(samples.weights, get(samples.rows, span.first + j)))
    for j in range(width if samples.classes.size else 0):
        store(memory, targets + j, get(samples.classes, get(samples.rows, span.first + min(j, span.n_real - 1))))
    for o in range(n_out if samples.values.size else 0):
        for j in range(width):
            row = get(samples.rows, span.first + min(j, span.n_real - 1))
            store(memory, targets + o * width + j, get(samples.values, row * n_out + o) if j < span.n_real else 0)


@inner
def _compress(plan: Any, memory: Flat, width: int) -> None:
    """Move the inputs that are not zero throughout to the front, note which, and clear the gradients of the others."""
    n_used, read, used, n_out = 0, plan[at.READ, 0], plan[at.SINGLE, at.USED], plan[at.SIZE, 1]
    for i in range(plan[at.SIZE, 0]):
        found = nothing(memory) != 0
        for v in range(0, width, WIDTH):
            found = found | (load(memory, read + i * width + v) != 0)
        if holds_anywhere(found):
            if n_used < i:
                for v in range(0, width, WIDTH):
                    store(memory, read + n_used * width + v, load(memory, read + i * width + v))
            store(plan, used + n_used, i)
            n_used += 1
        else:
            for o in range(n_out):
                store(memory, plan[at.SINGLE, at.GRADIENT] + i * n_out + o, 0)
    plan[at.SINGLE, at.N_USED] = n_used
