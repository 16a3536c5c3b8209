"""The updates of `plainmlp.nn.descent`, compiled: one call makes those of many batches and allocates nothing.

Several threads may make one call together: each has a rank and does its share of the rows of every product and of the
elements of every update. No bit depends on their number.
"""

from math import inf, sqrt
from typing import Any

import numpy as np
from numba import njit

from plainmlp.nn.arithmetic import absolute
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, holds_anywhere, load, nothing, put, store
from plainmlp.nn.compiled.one_sample import step_one
from plainmlp.nn.compiled.passes import forward, judge, pass_batch
from plainmlp.nn.compiled.products import Flat, add_in_pairs, close_pairs, inner
from plainmlp.nn.compiled.samples import are_sparse, gather, padded, share, wait
from plainmlp.nn.compiled.tables import apply_function, link, update_parameters
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.products import BLOCK

compiled = njit(nogil=True, cache=True, error_model="numpy")
SGD = list(OPTIMIZERS).index("sgd")
DECAYS = tuple(entry.decays_weights for entry in OPTIMIZERS.values())
INFINITY = inf


@inner
def penalize(plan: Any, memory: Flat, rates: int, team: Any) -> Any:
    """Return what the weights cost, and add the slope of that to their gradient."""
    gradient, n_weights = plan[at.SINGLE, at.GRADIENT], plan[at.SINGLE, at.N_WEIGHTS]
    l1, l2, cost = memory[rates + at.L1], memory[rates + at.L2], memory[rates + at.ZERO]
    begin, end = share(n_weights, WIDTH, team)
    if l2 != 0:
        if team.rank == 0:
            cost = cost + l2 * (memory[rates + at.HALF] * _total(plan, memory, plan[at.WEIGHTS, 0], n_weights, True))
        for i in range(begin, end):
            memory[gradient + i] += l2 * memory[i]
    if l1 != 0:
        if team.rank == 0:
            cost = cost + l1 * _total(plan, memory, plan[at.WEIGHTS, 0], n_weights, False)
        for i in range(begin, end):
            weight = memory[i]
            slope = l1 if weight > 0 else (-l1 if weight < 0 else memory[rates + at.ZERO] * weight)
            memory[gradient + i] += slope
    return cost


@inner
def _total(plan: Any, memory: Flat, values: int, size: int, is_squared: bool) -> Any:
    """Return the sum of the squares, or of the magnitudes, of some numbers."""
    scratch, sums = plan[at.SINGLE, at.SCRATCH], plan[at.SINGLE, at.OTHER_SUMS]
    n_blocks = 0
    for start in range(0, size, BLOCK):
        lanes = nothing(memory)
        stop = min(start + BLOCK, size)
        for i in range(start, stop, WIDTH):
            x = load(memory, values + i)
            if stop - i < WIDTH:
                store(memory, scratch, nothing(memory))
                for j in range(i, stop):
                    memory[scratch + j - i] = memory[values + j]
                x = load(memory, scratch)
            lanes = lanes + (x * x if is_squared else absolute(x))
        add_in_pairs(memory, sums, n_blocks, fold(lanes))
        n_blocks += 1
    return close_pairs(memory, sums, n_blocks)


@inner
def shorten(plan: Any, memory: Flat, rates: int, team: Any) -> None:
    """Measure the norm of the gradient, and shorten one that is too large."""
    gradient, n_parameters = plan[at.SINGLE, at.GRADIENT], plan[at.SINGLE, at.N_PARAMETERS]
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
def decay(plan: Any, memory: Flat, factor: Any, team: Any) -> None:
    """Multiply the weights with a factor."""
    begin, end = share(plan[at.SINGLE, at.N_WEIGHTS], WIDTH, team)
    for i in range(begin, end):
        memory[i] *= factor
    wait(team)


@compiled
def descend(
    plan: Any,
    memory: Flat,
    sums: Any,
    samples: Any,
    draws: Flat,
    coefficients: Any,
    batch_size: int,
    measures_norm: bool,
    losses: Flat,
    scores: Flat,
    team: Any,
) -> None:
    """Make an update a batch, see `plainmlp.nn.descent.Descent.descend`."""
    single, n_samples = plan[at.SINGLE], samples.rows.size
    rates, size = single[at.SCALES] + plan[at.SIZE, single[at.N_LAYERS]], padded(single[at.N_PARAMETERS])
    begin, end = share(size, WIDTH, team)
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
        pass_batch(plan, memory, sums, samples, draws, first * single[at.N_UNITS], first, n_real, team)
        _close(plan, memory, rates, number, (n_real + BLOCK - 1) // BLOCK, losses, scores, team)
        if measures:
            shorten(plan, memory, rates, team)
        row = coefficients[number]
        if DECAYS[single[at.OPTIMIZER]]:
            decay(plan, memory, row[row.size - 1], team)
        update_parameters(single[at.OPTIMIZER], memory, single[at.GRADIENT], single[at.SLOTS], size, row, begin, end)
        wait(team)


@inner
def _close(
    plan: Any, memory: Flat, rates: int, number: int, n_blocks: int, losses: Flat, scores: Flat, team: Any
) -> None:
    """Write what a batch costs and scores, and add the slope of the penalties to its gradient."""
    penalty = penalize(plan, memory, rates, team)
    if team.rank == 0:
        cost = close_pairs(memory, plan[at.SINGLE, at.COST_SUMS], n_blocks)
        losses[number] = cost / memory[rates + at.BATCH] + penalty
        scores[number] = close_pairs(memory, plan[at.SINGLE, at.SCORE_SUMS], n_blocks)
    wait(team)


@compiled
def inspect(
    plan: Any,
    memory: Flat,
    samples: Any,
    block_size: int,
    costs: Flat,
    scores: Flat,
    outputs: Flat,
    alive: Flat,
    team: Any,
) -> None:
    """Pass samples forward and write what is asked for: costs and scores of each block, outputs, or which units are alive.

    The last are looked for until all are found.
    """
    single, n_samples = plan[at.SINGLE], samples.rows.size
    single[at.LISTS] = are_sparse(plan, samples, n_samples, team)
    for block in range((n_samples + block_size - 1) // block_size):
        first = block * block_size
        n_real = min(block_size, n_samples - first)
        width = padded(n_real)
        gather(plan, memory, samples, first, n_real, width, team)
        forward(plan, memory, memory[:0], first, n_real, width, team)
        if costs.size:
            costs[block], scores[block] = judge(plan, memory, width)
        elif outputs.size:
            _tell(plan, memory, outputs, first, n_real, width)
        elif _find_alive(plan, memory, alive, width) == alive.size:
            break


@inner
def _find_alive(plan: Any, memory: Flat, alive: Flat, width: int) -> int:
    """Note which units are above zero for any sample of a block, and return how many were so in any block."""
    unit, n_found, n_layers, real = 0, 0, plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE, at.REAL]
    for layer in range(n_layers):
        start = plan[at.OUTPUT, layer] if layer + 1 < n_layers else plan[at.Z, layer]
        for i in range(start, start + plan[at.SIZE, layer + 1] * width, width):
            found = nothing(memory) != 0
            for v in range(0, width, WIDTH):
                values = load(memory, i + v)
                found = found | (((values > 0) | (values != values)) & (load(memory, real + v) > 0))
            alive[unit] = alive[unit] or holds_anywhere(found)
            n_found += alive[unit]
            unit += 1
    return n_found


@inner
def _tell(plan: Any, memory: Flat, outputs: Flat, first: int, n_real: int, width: int) -> None:
    """Write the outputs of a block's samples."""
    n_layers = plan[at.SINGLE, at.N_LAYERS]
    n_out, z = plan[at.SIZE, n_layers], plan[at.Z, n_layers - 1]
    link(plan[at.SINGLE, at.LOSS], memory, z, z, plan[at.SINGLE, at.COSTS], n_out, width)
    for o in range(n_out):
        for j in range(n_real):
            put(outputs, (first + j) * n_out + o, get(memory, z + o * width + j))


@compiled
def evaluate(place: int, values: Flat, out: Flat) -> None:
    """Write an elementary function of some numbers, a multiple of 16."""
    apply_function(place, values, out)


@compiled
def shuffle(first: int, has_first: int, draws: Flat, order: Flat) -> Any:
    """Shuffle numbers as NumPy's generators do: from the last place on, each with one of those up to it.

    Of 32 random bits as many are taken as the place has; where they are more than that, the next bits are tried. Before
    the draws comes `first`, if there is one. Returns how many draws were used beside it, -1 where not even that was
    needed, and which place was next: 0 if they sufficed.
    """
    last, mask, used = order.size - 1, np.uint32(0), -has_first
    while mask < last:
        mask = 2 * mask + np.uint32(1)
    while last > 0 and used < draws.size:
        while mask >> 1 >= last:
            mask >>= 1
        drawn = np.int64((get(draws, used) if used >= 0 else np.uint32(first)) & mask)
        is_taken = drawn <= last
        other = drawn if is_taken else last  # no branch, which would be guessed wrongly
        number = get(order, last)
        put(order, last, get(order, other))
        put(order, other, number)
        last -= is_taken
        used += 1
    return used, last
