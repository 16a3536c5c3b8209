"""The updates of `plainmlp.nn.descent`, compiled: one call makes those of many batches and allocates nothing.

Several threads may make one call together: each has a rank and does its share of the rows of every product and of the
elements of every update. No bit depends on their number.
"""

from math import inf, sqrt
from typing import Any

from numba import njit

from plainmlp.nn.arithmetic import absolute
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, holds_anywhere, load, nothing, put, store
from plainmlp.nn.compiled.one_sample import step_one
from plainmlp.nn.compiled.passes import forward, judge, pass_batch
from plainmlp.nn.compiled.plan import (
    BATCH,
    COST_SUMS,
    GRADIENT,
    HALF,
    L1,
    L2,
    LIMIT,
    LISTS,
    LOSS,
    N_LAYERS,
    N_PARAMETERS,
    N_UNITS,
    N_WEIGHTS,
    NORM,
    OPTIMIZER,
    OTHER_SUMS,
    OUTPUT,
    REAL,
    SCALES,
    SCORE_SUMS,
    SCRATCH,
    SINGLE,
    SIZE,
    SLOTS,
    ZERO,
    Z,
)
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
    gradient, n_weights = plan[SINGLE, GRADIENT], plan[SINGLE, N_WEIGHTS]
    l1, l2, cost = memory[rates + L1], memory[rates + L2], memory[rates + ZERO]
    begin, end = share(n_weights, WIDTH, team)
    if l2 != 0:
        if team.rank == 0:
            cost = cost + l2 * (memory[rates + HALF] * _total(plan, memory, 0, n_weights, True))
        for i in range(begin, end):
            memory[gradient + i] += l2 * memory[i]
    if l1 != 0:
        if team.rank == 0:
            cost = cost + l1 * _total(plan, memory, 0, n_weights, False)
        for i in range(begin, end):
            weight = memory[i]
            slope = l1 if weight > 0 else (-l1 if weight < 0 else memory[rates + ZERO] * weight)
            memory[gradient + i] += slope
    return cost


@inner
def _total(plan: Any, memory: Flat, values: int, size: int, is_squared: bool) -> Any:
    """Return the sum of the squares, or of the magnitudes, of some numbers."""
    scratch, sums = plan[SINGLE, SCRATCH], plan[SINGLE, OTHER_SUMS]
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
    gradient, n_parameters = plan[SINGLE, GRADIENT], plan[SINGLE, N_PARAMETERS]
    if team.rank == 0:
        memory[rates + NORM] = sqrt(_total(plan, memory, gradient, n_parameters, True))
    wait(team)
    norm, limit = memory[rates + NORM], memory[rates + LIMIT]
    if norm > limit:
        scale = limit / norm
        begin, end = share(n_parameters, WIDTH, team)
        for i in range(gradient + begin, gradient + end):
            memory[i] *= scale
    wait(team)


@inner
def decay(plan: Any, memory: Flat, factor: Any, team: Any) -> None:
    """Multiply the weights with a factor."""
    begin, end = share(plan[SINGLE, N_WEIGHTS], WIDTH, team)
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
    single, n_blocks = plan[SINGLE], (batch_size + BLOCK - 1) // BLOCK
    rates, size = single[SCALES] + plan[SIZE, single[N_LAYERS]], padded(single[N_PARAMETERS])
    begin, end = share(size, WIDTH, team)
    single[LISTS] = are_sparse(plan, samples, losses.size * batch_size, team)
    has_limit = memory[rates + LIMIT] < INFINITY
    is_plain = single[OPTIMIZER] == SGD and memory[rates + L1] == 0 and memory[rates + L2] == 0
    is_alone = is_plain and batch_size == 1 and team.size == 1 and not has_limit and not draws.size
    for number in range(losses.size):
        measures = has_limit or (measures_norm and number + 1 == losses.size)
        if is_alone and not measures:
            losses[number], scores[number] = step_one(plan, memory, samples, number, coefficients[number, 0])
            continue
        first_draw, first = number * single[N_UNITS] * batch_size, number * batch_size
        pass_batch(plan, memory, sums, samples, draws, first_draw, first, batch_size, team)
        penalty = penalize(plan, memory, rates, team)
        if team.rank == 0:
            cost = close_pairs(memory, single[COST_SUMS], n_blocks)
            losses[number] = cost / memory[rates + BATCH] + penalty
            scores[number] = close_pairs(memory, single[SCORE_SUMS], n_blocks)
        wait(team)
        if measures:
            shorten(plan, memory, rates, team)
        row = coefficients[number]
        if DECAYS[single[OPTIMIZER]]:
            decay(plan, memory, row[row.size - 1], team)
        update_parameters(single[OPTIMIZER], memory, single[GRADIENT], single[SLOTS], size, row, begin, end)
        wait(team)


@compiled
def inspect(
    plan: Any,
    memory: Flat,
    samples: Any,
    draws: Flat,
    n_samples: int,
    costs: Flat,
    scores: Flat,
    outputs: Flat,
    alive: Flat,
    team: Any,
) -> None:
    """Pass samples forward and write what is asked for: costs and scores of each block, outputs, which units are alive."""
    single = plan[SINGLE]
    single[LISTS] = are_sparse(plan, samples, n_samples, team)
    for block in range((n_samples + BLOCK - 1) // BLOCK):
        first = block * BLOCK
        n_real = min(BLOCK, n_samples - first)
        width = padded(n_real)
        gather(plan, memory, samples, first, n_real, width, team)
        forward(plan, memory, draws, 0, 0, width, team)
        if alive.size:
            _find_alive(plan, memory, alive, width)
        if costs.size:
            judge(plan, memory, width, 0)
            costs[block], scores[block] = memory[single[COST_SUMS]], memory[single[SCORE_SUMS]]
        if outputs.size:
            _tell(plan, memory, outputs, first, n_real, width)


@inner
def _find_alive(plan: Any, memory: Flat, alive: Flat, width: int) -> None:
    """Note which units are above zero for any sample of a block."""
    unit, n_layers = 0, plan[SINGLE, N_LAYERS]
    for layer in range(n_layers):
        start = plan[OUTPUT, layer] if layer + 1 < n_layers else plan[Z, layer]
        for i in range(start, start + plan[SIZE, layer + 1] * width, width):
            found = nothing(memory) != 0
            for v in range(0, width, WIDTH):
                values, real = load(memory, i + v), load(memory, plan[SINGLE, REAL] + v)
                found = found | (((values > 0) | (values != values)) & (real > 0))
            if holds_anywhere(found):
                alive[unit] = True
            unit += 1


@inner
def _tell(plan: Any, memory: Flat, outputs: Flat, first: int, n_real: int, width: int) -> None:
    """Write the outputs of a block's samples."""
    n_layers = plan[SINGLE, N_LAYERS]
    n_out, z = plan[SIZE, n_layers], plan[Z, n_layers - 1]
    link(plan[SINGLE, LOSS], memory, z, n_out, width)
    for o in range(n_out):
        for j in range(n_real):
            put(outputs, (first + j) * n_out + o, get(memory, z + o * width + j))


@compiled
def evaluate(place: int, values: Flat, out: Flat) -> None:
    """Write an elementary function of some numbers, a multiple of 16."""
    apply_function(place, values, out)
