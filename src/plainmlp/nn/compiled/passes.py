"""The passes of a batch, compiled: forward, the loss, and backward to the gradient."""

from typing import Any

from plainmlp.nn.arithmetic import select
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, load, nothing, spread, store
from plainmlp.nn.compiled.products import (
    Flat,
    Left,
    Listed,
    Out,
    Product,
    Right,
    add_vectors_in_pairs,
    inner,
    lane_products,
    lane_sum,
    listed_product,
    ordered_products,
)
from plainmlp.nn.compiled.samples import Span, gather, share, turn, wait
from plainmlp.nn.compiled.tables import activate, assess, go_back
from plainmlp.nn.products import BLOCK


@inner
def forward(plan: Any, memory: Flat, draws: Flat, span: Any, team: Any) -> None:
    """Write what reaches and leaves each layer of a block."""
    for layer in range(plan[at.SINGLE, at.N_LAYERS]):
        begin, end = share(plan[at.SIZE, layer + 1], 4, team)
        pass_layer(plan, memory, draws, span, team.rank, layer, begin, end)
        wait(team)


@inner
def pass_layer(plan: Any, memory: Flat, draws: Flat, span: Any, rank: int, layer: int, begin: int, end: int) -> None:
    """Write what reaches and leaves some units of a layer."""
    n_out, z, single, width = plan[at.SIZE, layer + 1], plan[at.Z, layer], plan[at.SINGLE], span.width
    reads = plan[at.KEPT] if draws.size else plan[at.READ]
    if layer or not single[at.LISTS]:
        depth, used = plan[at.SIZE, layer] if layer else single[at.N_USED], single[at.ORDER if layer else at.USED]
        left, right = Left(plan[at.WEIGHTS, layer], used, n_out, 1), Right(reads[layer], width)
        product = Product(span.n_real, depth, left, right, Out(z, single[at.ORDER], width))
        ordered_products(plan, memory, product, begin, end, rank)
    if plan[at.BIASES, layer] >= 0:
        _add_biases(memory, plan[at.BIASES, layer], z, begin, end, width)
    blank(plan, memory, z, begin, end, width)
    if layer + 1 < single[at.N_LAYERS]:
        part, output = begin * width, plan[at.OUTPUT, layer]
        activate(plan[at.ACTIVATION, layer], memory, z + part, output + part, (end - begin) * width)
        if draws.size:
            drop(plan, memory, draws, span, layer, output, reads[layer + 1], begin, end)


@inner
def _add_biases(memory: Flat, biases: int, z: int, begin: int, end: int, width: int) -> None:
    for o in range(begin, end):
        bias = memory[biases + o]
        for i in range(z + o * width, z + (o + 1) * width, WIDTH):
            store(memory, i, load(memory, i) + bias)


@inner
def blank(plan: Any, memory: Flat, start: int, begin: int, end: int, width: int) -> None:
    """Set to zero what stands behind the samples in some rows, so that nothing overflows there."""
    last, real = width - WIDTH, plan[at.SINGLE, at.REAL]
    if memory[real + width - 1] == 0:
        is_real = load(memory, real + last) > 0
        for i in range(start + begin * width + last, start + end * width, width):
            store(memory, i, select(is_real, load(memory, i), 0))


@inner
def drop(
    plan: Any, memory: Flat, draws: Flat, span: Any, layer: int, source: int, out: int, begin: int, end: int
) -> None:
    """Multiply values of a layer with 0 where dropout leaves a unit out, else with 1 / (1 - rate)."""
    rates, width, first = plan[at.SINGLE, at.RATES], span.width, span.draws + plan[at.FORMER, layer] * span.stride
    rate, raised = memory[rates + at.DROPPED], spread(memory[rates + at.RAISED])
    for u in range(begin, end):
        for v in range(0, width, WIDTH):
            mask = select(load(draws, first + u * span.stride + v) < rate, 0, raised)
            store(memory, out + u * width + v, load(memory, source + u * width + v) * mask)


@inner
def judge(plan: Any, memory: Flat, width: int) -> Any:
    """Write the output errors of a block, and return what it costs and scores."""
    n_layers, single = plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE]
    n_out, z, delta = plan[at.SIZE, n_layers], plan[at.Z, n_layers - 1], plan[at.DELTA, n_layers - 1]
    costs = scores = nothing(memory)
    assess(single[at.LOSS], plan, memory, z, delta, n_out, width)
    for v in range(0, width, WIDTH):
        costs = costs + load(memory, single[at.COSTS] + v) * load(memory, single[at.SHARES] + v)
        scores = scores + load(memory, single[at.SCORES] + v) * load(memory, single[at.REAL] + v)
    return fold(costs), fold(scores)


@inner
def backward(plan: Any, memory: Flat, draws: Flat, span: Any, team: Any) -> None:
    """Write the gradient of a block, from the output errors on."""
    n_layers, single, width = plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE], span.width
    reads = plan[at.KEPT] if draws.size else plan[at.READ]
    if team.rank == 0:
        _weigh_errors(plan, memory, plan[at.DELTA, n_layers - 1], plan[at.SIZE, n_layers], width)
    wait(team)
    for layer in range(n_layers - 1, -1, -1):
        n_out, delta = plan[at.SIZE, layer + 1], plan[at.DELTA, layer]
        begin, end = share(n_out, WIDTH, team)
        if plan[at.BIASES, layer] >= 0:
            biases = single[at.GRADIENT] + plan[at.BIASES, layer]
            for o in range(begin, end):
                memory[biases + o] = lane_sum(memory, delta + o * width, width)
        if n_out >= WIDTH:
            order, out = single[at.ORDER], single[at.TURNED]
            turn(plan, memory, order, width, delta, (begin, end), width, memory, out, at.spaced(n_out))
            wait(team)
        _correlate(plan, memory, layer, reads[layer], span, team)
        if layer > 0:
            _send_back(plan, memory, draws, layer, span, team)
        wait(team)


@inner
def _send_back(plan: Any, memory: Flat, draws: Flat, layer: int, span: Any, team: Any) -> None:
    """Write the errors of the layer before one."""
    n_out, before, order, width = (
        plan[at.SIZE, layer + 1],
        plan[at.DELTA, layer - 1],
        plan[at.SINGLE, at.ORDER],
        span.width,
    )
    begin, end = share(plan[at.SIZE, layer], 4, team)
    left, right = Left(plan[at.WEIGHTS, layer], order, 1, n_out), Right(plan[at.DELTA, layer], width)
    product = Product(span.n_real, n_out, left, right, Out(before, order, width))
    ordered_products(plan, memory, product, begin, end, team.rank)
    if draws.size:
        drop(plan, memory, draws, span, layer - 1, before, before, begin, end)
    part, z, output = begin * width, plan[at.Z, layer - 1], plan[at.OUTPUT, layer - 1]
    go_back(plan[at.ACTIVATION, layer - 1], memory, before + part, z + part, output + part, (end - begin) * width)
    blank(plan, memory, before, begin, end, width)


@inner
def _weigh_errors(plan: Any, memory: Flat, delta: int, n_out: int, width: int) -> None:
    """Multiply each sample's errors with its share and the factor of the batch."""
    shares, factor = plan[at.SINGLE, at.SHARES], memory[plan[at.SINGLE, at.RATES] + at.FACTOR]
    for v in range(0, width, WIDTH):
        scale = load(memory, shares + v) * factor
        for i in range(delta + v, delta + n_out * width, width):
            store(memory, i, load(memory, i) * scale)


@inner
def _correlate(plan: Any, memory: Flat, layer: int, read: int, span: Any, team: Any) -> None:
    """Write the gradient of a layer's weights."""
    n_in, n_out, single = plan[at.SIZE, layer], plan[at.SIZE, layer + 1], plan[at.SINGLE]
    gradient, errors = single[at.GRADIENT] + plan[at.WEIGHTS, layer], Right(single[at.TURNED], at.spaced(n_out))
    if layer == 0 and single[at.LISTS]:
        for i in range(n_in):
            values, places = single[at.COLUMN_VALUES] + i * BLOCK, single[at.COLUMN_PLACES] + i * BLOCK
            listed = Listed(values, places, get(plan, single[at.COLUMN_COUNTS] + i), errors.start, errors.step)
            listed_product(plan, memory, listed, n_out, gradient + i * n_out)
        return
    n_rows = n_in if layer else single[at.N_USED]
    begin, end = share(n_rows, 4, team)
    out = Out(gradient, single[at.ORDER] if layer else single[at.USED], n_out)
    if n_out >= WIDTH:
        product = Product(n_out, span.n_real, Left(read, single[at.ORDER], 1, span.width), errors, out)
        ordered_products(plan, memory, product, begin, end, team.rank)
    else:
        lane_products(plan, memory, begin, end, n_out, span.width, read, plan[at.DELTA, layer], out)


@inner
def pass_batch(
    plan: Any, memory: Flat, sums: Flat, samples: Any, draws: Flat, first: int, batch_size: int, team: Any
) -> None:
    """Write the gradient of a batch, and behind it what the batch costs and scores."""
    single = plan[at.SINGLE]
    begin, end = share(at.padded(single[at.N_PARAMETERS]) + WIDTH, WIDTH, team)
    for start in range(0, batch_size, BLOCK):
        n_real, totals = min(BLOCK, batch_size - start), single[at.TOTALS]
        span = Span(first + start, n_real, at.padded(n_real), first * single[at.N_UNITS] + start, batch_size)
        gather(plan, memory, samples, span, team)
        forward(plan, memory, draws, span, team)
        if team.rank == 0:
            memory[totals], memory[totals + 1] = judge(plan, memory, span.width)
        backward(plan, memory, draws, span, team)
        if batch_size > BLOCK:
            is_last = start + BLOCK >= batch_size
            add_vectors_in_pairs(sums, start // BLOCK, memory, single[at.GRADIENT], begin, end, is_last)
    if batch_size > BLOCK:
        wait(team)
