"""The updates of `plainmlp.nn.descent`, compiled: one call makes those of many batches and allocates nothing.

Several threads may make one call together: each has a rank and does its share of the rows of every product and of the
elements of every update. No bit depends on their number.
"""

from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from plainmlp.nn.arithmetic import absolute, select
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, holds_anywhere, load, nothing, store
from plainmlp.nn.compiled.one_sample import step_one
from plainmlp.nn.compiled.passes import forward, judge, pass_batch, pass_layer
from plainmlp.nn.compiled.products import Flat, add_in_pairs, inner
from plainmlp.nn.compiled.samples import Span, are_sparse, gather, share, wait
from plainmlp.nn.compiled.tables import apply_function, link, update_parameters
from plainmlp.nn.losses import l1_slope
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.products import BLOCK

compiled = njit(nogil=True, cache=True, error_model="numpy")
SGD = list(OPTIMIZERS).index("sgd")
DECAYS = tuple(entry.decays_weights for entry in OPTIMIZERS.values())
INFINITY = inf


@inner
def penalize(plan: Any, memory: Flat, team: Any) -> Any:
    """Return what the weights cost, and add the slope of that to their gradient."""
    single, rates = plan[at.SINGLE], plan[at.SINGLE, at.RATES]
    l1, l2, cost = memory[rates + at.L1], memory[rates + at.L2], memory.dtype.type(0)
    if l2 != 0 and team.rank == 0:
        cost = cost + l2 * (memory.dtype.type(0.5) * _total(plan, memory, 0, single[at.N_WEIGHTS], True))
    if l1 != 0 and team.rank == 0:
        cost = cost + l1 * _total(plan, memory, 0, single[at.N_WEIGHTS], False)
    if l1 != 0 or l2 != 0:
        begin, end = share(single[at.N_WEIGHTS], WIDTH, team)
        for i in range(begin, end, WIDTH):
            weights, slopes = _load_until(plan, memory, i, end), load(memory, single[at.GRADIENT] + i)
            if l2 != 0:
                slopes = slopes + l2 * weights
            if l1 != 0:
                slopes = slopes + l1_slope(weights, l1)
            store(memory, single[at.GRADIENT] + i, slopes)
    return cost


@inner
def _load_until(plan: Any, memory: Flat, position: int, end: int) -> Any:
    """Return the 16 numbers from a position on, zeros in place of those from an end on."""
    numbers = load(memory, plan[at.SINGLE, at.NUMBERS])
    return select(numbers < end - position, load(memory, position), 0)


@inner
def _total(plan: Any, memory: Flat, begin: int, size: int, is_squared: bool) -> Any:
    """Return the sum of the squares, or of the magnitudes, of some numbers."""
    sums, n_blocks = plan[at.SINGLE, at.SUMS], 0
    for start in range(begin, begin + size, BLOCK):
        lanes, stop = nothing(memory), min(start + BLOCK, begin + size)
        for i in range(start, stop, WIDTH):
            x = _load_until(plan, memory, i, stop)
            lanes = lanes + (x * x if is_squared else absolute(x))
        memory[sums + n_blocks] = fold(lanes)
        n_blocks += 1
    return add_in_pairs(memory, sums, n_blocks)


@inner
def shorten(plan: Any, memory: Flat, team: Any) -> None:
    """Measure the norm of the gradient, and shorten one that is too large."""
    single, rates = plan[at.SINGLE], plan[at.SINGLE, at.RATES]
    gradient, n_parameters = single[at.GRADIENT], single[at.N_PARAMETERS]
    if team.rank == 0:
        memory[rates + at.NORM] = sqrt(_total(plan, memory, gradient, n_parameters, True))
    wait(team)
    norm, limit = memory[rates + at.NORM], memory[rates + at.LIMIT]
    if norm > limit:
        scale = limit / norm
        begin, end = share(n_parameters, WIDTH, team)
        for i in range(gradient + begin, gradient + end):
            memory[i] *= scale
    wait(team)


@inner
def update(plan: Any, memory: Flat, row: Flat, team: Any) -> None:
    """Make an update with the gradient and a row of the optimiser's coefficients."""
    single = plan[at.SINGLE]
    if DECAYS[single[at.OPTIMIZER]]:
        first, last = share(single[at.N_WEIGHTS], WIDTH, team)
        for i in range(first, last):
            memory[i] *= row[row.size - 1]
        wait(team)
    size = at.padded(single[at.N_PARAMETERS])
    begin, end = share(size, WIDTH, team)
    update_parameters(single[at.OPTIMIZER], memory, single[at.GRADIENT], size, row, begin, end)
    wait(team)


@inner
def close(plan: Any, memory: Flat, losses: Flat, scores: Flat, number: int, team: Any) -> None:
    """Write what a batch costs and scores, and add the slope of the penalties to its gradient."""
    totals, penalty = plan[at.SINGLE, at.TOTALS], penalize(plan, memory, team)
    if team.rank == 0:
        losses[number] = memory[totals] / memory[plan[at.SINGLE, at.RATES] + at.BATCH] + penalty
        scores[number] = memory[totals + 1]
    wait(team)


class Updates(NamedTuple):
    """The updates of a call, a batch each.

    Parameters
    ----------
    coefficients : ndarray of shape (n_batches, n_coefficients)
        The optimiser's.
    losses, scores : ndarray of shape (n_batches,)
        Where to write what each began from.
    batch_size : int
    measures_norm : bool
        Whether to measure the norm of the last gradient.
    """

    coefficients: Any
    losses: Flat
    scores: Flat
    batch_size: int
    measures_norm: bool


@compiled
def descend(plan: Any, memory: Flat, sums: Flat, samples: Any, draws: Flat, updates: Any, team: Any) -> None:
    """Make the updates of a call, see `plainmlp.nn.descent.Descent.descend`."""
    coefficients, losses, scores, batch_size, measures_norm = updates
    single, n_samples, rates = plan[at.SINGLE], samples.rows.size, plan[at.SINGLE, at.RATES]
    single[at.LISTS] = are_sparse(plan, samples, n_samples, team)
    has_limit = memory[rates + at.LIMIT] < INFINITY
    is_plain = single[at.OPTIMIZER] == SGD and memory[rates + at.L1] == 0 and memory[rates + at.L2] == 0
    is_alone = is_plain and batch_size == 1 and team.size == 1 and not has_limit and not draws.size
    if team.rank == 0:
        memory[rates + at.NORM] = 0
    for number in range(losses.size):
        measures = has_limit or (measures_norm and number + 1 == losses.size)
        first = number * batch_size
        n_real = min(batch_size, n_samples - first)
        if team.rank == 0 and (number == 0 or n_real < batch_size):
            memory[rates + at.BATCH], memory[rates + at.FACTOR] = n_real, 1 / n_real
        if is_alone and not measures:
            losses[number], scores[number] = step_one(plan, memory, samples, number, coefficients[number, 0])
            continue
        pass_batch(plan, memory, sums, samples, draws, first, n_real, team)
        close(plan, memory, losses, scores, number, team)
        if measures:
            shorten(plan, memory, team)
        update(plan, memory, coefficients[number], team)


class Wanted(NamedTuple):
    """What is asked for of some samples; what is not is empty.

    Parameters
    ----------
    costs, scores : ndarray of shape (n_blocks,)
    outputs : ndarray of shape (n_samples * n_out,)
    alive : ndarray of shape (n_units,), bool
        Which hidden units and outputs are above zero for any sample; they are looked for until all are.
    """

    costs: Flat
    scores: Flat
    outputs: Flat
    alive: Flat


@compiled
def inspect(plan: Any, memory: Flat, samples: Any, block_size: int, wanted: Any, team: Any) -> None:
    """Pass samples forward a block at a time, and write what is wanted."""
    single, n_samples = plan[at.SINGLE], samples.rows.size
    single[at.LISTS] = are_sparse(plan, samples, n_samples, team)
    for block in range((n_samples + block_size - 1) // block_size):
        if wanted.alive.size and wanted.alive.all():
            break
        n_real = min(block_size, n_samples - block * block_size)
        span = Span(block * block_size, n_real, at.padded(n_real), 0, 0)
        gather(plan, memory, samples, span, team)
        if wanted.alive.size:
            _find_alive(plan, memory, wanted.alive, span)
            continue
        forward(plan, memory, memory[:0], span, team)
        if wanted.costs.size:
            wanted.costs[block], wanted.scores[block] = judge(plan, memory, span.width)
        else:
            _tell(plan, memory, wanted.outputs, span)


@inner
def _find_alive(plan: Any, memory: Flat, alive: Flat, span: Any) -> None:
    """Note which units are above zero for any sample of a block.

    Layers behind the last that has units to find are left out, and in that one all groups of eight that are found.
    """
    n_layers, last, behind, unit = plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE, at.N_LAYERS], alive.size, 0
    while alive[behind - plan[at.SIZE, last] : behind].all():
        behind -= plan[at.SIZE, last]
        last -= 1
    for layer in range(last):
        n_out = plan[at.SIZE, layer + 1]
        values = plan[at.OUTPUT, layer] if layer + 1 < n_layers else plan[at.Z, layer]
        for begin in range(0, n_out, 8):
            end = min(begin + 8, n_out)
            if layer + 1 < last or not alive[unit + begin : unit + end].all():
                pass_layer(plan, memory, memory[:0], span, 0, layer, begin, end)
                for u in range(begin, end):
                    alive[unit + u] = alive[unit + u] or _is_above_zero(
                        plan, memory, values + u * span.width, span.width
                    )
        unit += n_out


@inner
def _is_above_zero(plan: Any, memory: Flat, values: int, width: int) -> bool:
    """Say whether a unit is above zero, or not a number, for any sample."""
    found, real = nothing(memory) != 0, plan[at.SINGLE, at.REAL]
    for v in range(0, width, WIDTH):
        x = load(memory, values + v)
        found = found | (((x > 0) | (x != x)) & (load(memory, real + v) > 0))
    return holds_anywhere(found)


@inner
def _tell(plan: Any, memory: Flat, outputs: Flat, span: Any) -> None:
    """Write the outputs of a block's samples."""
    n_layers, width = plan[at.SINGLE, at.N_LAYERS], span.width
    n_out, z = plan[at.SIZE, n_layers], plan[at.Z, n_layers - 1]
    link(plan[at.SINGLE, at.LOSS], memory, z, z, plan[at.SINGLE, at.COSTS], n_out, width)
    for o in range(n_out):
        for j in range(span.n_real):
            store(outputs, (span.first + j) * n_out + o, get(memory, z + o * width + j))


@compiled
def evaluate(place: int, memory: Flat) -> None:
    """Put an elementary function in place of some numbers, a multiple of 16."""
    apply_function(place, memory, 0, 0, memory.size)


@compiled
def shuffle(draws: Flat, order: Flat, last: Any) -> Any:
    """Shuffle numbers as NumPy's generators do: from the last place on, each with one of those up to it.

    Of 32 random bits as many are taken as the place has; where they are more than that, the next bits are tried.
    Returns how many draws were used, and which place is next: 0 when all is done.
    """
    mask, used = np.uint32(0), 0
    while mask < last:
        mask = 2 * mask + np.uint32(1)
    while last > 0 and used < draws.size:
        while mask >> 1 >= last:
            mask >>= 1
        drawn = np.int64(get(draws, used) & mask)
        is_taken = drawn <= last
        other = drawn if is_taken else last  # no branch, which would be guessed wrongly
        number = get(order, last)
        store(order, last, get(order, other))
        store(order, other, number)
        last -= is_taken
        used += 1
    return used, last
