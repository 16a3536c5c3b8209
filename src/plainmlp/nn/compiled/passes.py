"""The passes of a batch, compiled: forward, the loss, and backward to the gradient."""

from typing import Any

from plainmlp.nn.arithmetic import select
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, fold, get, load, nothing, put, spread, store
from plainmlp.nn.compiled.products import (
    Flat,
    Left,
    Out,
    Right,
    add_in_pairs,
    add_vectors_in_pairs,
    close_vector_pairs,
    inner,
    lane_products,
    lane_sum,
    listed_product,
    ordered_products,
)
from plainmlp.nn.compiled.samples import gather, padded, share, spaced, wait
from plainmlp.nn.compiled.tables import activate, assess, go_back
from plainmlp.nn.products import BLOCK

LANE_OUTPUTS = 16  # a layer of fewer outputs sums its weights' gradient over samples in lanes


@inner
def forward(plan: Any, memory: Flat, draws: Flat, first_draw: int, stride: int, width: int, team: Any) -> None:
    """Write what reaches and leaves each layer of a block."""
    n_layers, single, numbers = plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE], plan.reshape(-1)
    reads = plan[at.KEPT] if draws.size else plan[at.READ]
    rates = single[at.SCALES] + plan[at.SIZE, n_layers]
    for layer in range(n_layers):
        n_out, z = plan[at.SIZE, layer + 1], plan[at.Z, layer]
        depth = plan[at.SIZE, layer] if layer else single[at.N_USED]
        begin, end = share(n_out, 4, team)
        if layer or not single[at.LISTS]:
            packed, order = single[at.PACKED] + team.rank * BLOCK * WIDTH, single[at.ORDER]
            left = Left(plan[at.WEIGHTS, layer], order if layer else single[at.USED], n_out, 1)
            right, out = Right(reads[layer], width), Out(z, order, width)
            ordered_products(numbers, memory, packed, begin, end, width, depth, left, right, out)
        if plan[at.BIASES, layer] >= 0:
            _add_biases(memory, plan[at.BIASES, layer], z, begin, end, width)
        blank(plan, memory, z, begin, end, width)
        if layer + 1 < n_layers:
            part, size = begin * width, (end - begin) * width
            activate(plan[at.ACTIVATION, layer], memory, z + part, plan[at.OUTPUT, layer] + part, size)
            if draws.size:
                drop(
                    memory,
                    rates,
                    draws,
                    first_draw,
                    stride,
                    plan[at.OUTPUT, layer],
                    reads[layer + 1],
                    begin,
                    end,
                    width,
                )
                first_draw += n_out * stride
        wait(team)


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
    memory: Flat,
    rates: int,
    draws: Flat,
    first_draw: int,
    stride: int,
    source: int,
    out: int,
    begin: int,
    end: int,
    width: int,
) -> None:
    """Multiply values with 0 where dropout leaves a unit out, else with 1 / (1 - rate)."""
    rate, raised = memory[rates + at.DROPPED], spread(memory[rates + at.RAISED])
    for u in range(begin, end):
        for v in range(0, width, WIDTH):
            mask = select(load(draws, first_draw + u * stride + v) < rate, 0, raised)
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
def backward(
    plan: Any, memory: Flat, draws: Flat, first_draw: int, stride: int, n_real: int, width: int, team: Any
) -> None:
    """Write the gradient of a block, from the output errors on."""
    n_layers, single = plan[at.SINGLE, at.N_LAYERS], plan[at.SINGLE]
    rates = single[at.SCALES] + plan[at.SIZE, n_layers]
    if team.rank == 0:
        _weigh_errors(memory, plan[at.DELTA, n_layers - 1], plan[at.SIZE, n_layers], single[at.SHARES], rates, width)
    wait(team)
    first_draw += single[at.N_UNITS] * stride
    for layer in range(n_layers - 1, -1, -1):
        n_in, n_out, delta = plan[at.SIZE, layer], plan[at.SIZE, layer + 1], plan[at.DELTA, layer]
        begin, end = share(n_out, 4, team)
        if plan[at.BIASES, layer] >= 0:
            biases = single[at.GRADIENT] + plan[at.BIASES, layer]
            for o in range(begin, end):
                memory[biases + o] = lane_sum(memory, delta + o * width, width)
        if n_out >= LANE_OUTPUTS:
            _turn(memory, delta, single[at.TURNED], spaced(n_out), begin, end, n_real, width)
            wait(team)
        reads = plan[at.KEPT] if draws.size else plan[at.READ]
        _correlate(plan, memory, layer, reads[layer], n_real, width, team)
        if layer > 0:
            first_draw -= n_in * stride
            _send_back(plan, memory, layer, draws, first_draw, stride, width, team)
        wait(team)


@inner
def _send_back(
    plan: Any, memory: Flat, layer: int, draws: Flat, first_draw: int, stride: int, width: int, team: Any
) -> None:
    """Write the errors of the layer before one."""
    single, numbers, order = plan[at.SINGLE], plan.reshape(-1), plan[at.SINGLE, at.ORDER]
    n_out, before = plan[at.SIZE, layer + 1], plan[at.DELTA, layer - 1]
    begin, end = share(plan[at.SIZE, layer], 4, team)
    packed = single[at.PACKED] + team.rank * BLOCK * WIDTH
    left, right = Left(plan[at.WEIGHTS, layer], order, 1, n_out), Right(plan[at.DELTA, layer], width)
    ordered_products(numbers, memory, packed, begin, end, width, n_out, left, right, Out(before, order, width))
    if draws.size:
        rates = single[at.SCALES] + plan[at.SIZE, plan[at.SINGLE, at.N_LAYERS]]
        drop(memory, rates, draws, first_draw, stride, before, before, begin, end, width)
    part, z, output = begin * width, plan[at.Z, layer - 1], plan[at.OUTPUT, layer - 1]
    go_back(plan[at.ACTIVATION, layer - 1], memory, before + part, z + part, output + part, (end - begin) * width)
    blank(plan, memory, before, begin, end, width)


@inner
def _weigh_errors(memory: Flat, delta: int, n_out: int, shares: int, rates: int, width: int) -> None:
    """Multiply each sample's errors with its share and the factor of the batch."""
    factor = memory[rates + at.FACTOR]
    for v in range(0, width, WIDTH):
        scale = load(memory, shares + v) * factor
        for i in range(delta + v, delta + n_out * width, width):
            store(memory, i, load(memory, i) * scale)


@inner
def _turn(memory: Flat, source: int, out: int, out_width: int, begin: int, end: int, n_real: int, width: int) -> None:
    """Write some rows as columns."""
    for o in range(begin, end):
        for j in range(n_real):
            put(memory, out + j * out_width + o, get(memory, source + o * width + j))


@inner
def _correlate(plan: Any, memory: Flat, layer: int, read: int, n_real: int, width: int, team: Any) -> None:
    """Write the gradient of a layer's weights."""
    n_in, n_out, single, numbers = plan[at.SIZE, layer], plan[at.SIZE, layer + 1], plan[at.SINGLE], plan.reshape(-1)
    gradient = single[at.GRADIENT] + plan[at.WEIGHTS, layer]
    if layer == 0 and single[at.LISTS]:
        for i in range(n_in):
            count, entry = numbers[single[at.COLUMN_COUNTS] + i], i * BLOCK
            values, places = single[at.COLUMN_VALUES] + entry, single[at.COLUMN_PLACES] + entry
            row, stride = gradient + i * n_out, spaced(n_out)
            turned, order = single[at.TURNED], single[at.ORDER]
            listed_product(numbers, memory, n_out, values, places, count, turned, stride, row, order)
        return
    n_rows = n_in if layer else single[at.N_USED]
    begin, end = share(n_rows, 4, team)
    if n_rows < n_in:
        _clear_unused(numbers[single[at.USED] :], memory, gradient, n_in, n_out, n_rows, begin, end)
    out = Out(gradient, single[at.ORDER] if layer else single[at.USED], n_out)
    if n_out >= LANE_OUTPUTS:
        left, right = Left(read, single[at.ORDER], 1, width), Right(single[at.TURNED], spaced(n_out))
        packed = single[at.PACKED] + team.rank * BLOCK * WIDTH
        ordered_products(numbers, memory, packed, begin, end, n_out, n_real, left, right, out)
    else:
        lane_products(numbers, memory, begin, end, n_out, width, read, plan[at.DELTA, layer], out)


@inner
def _clear_unused(
    used: Flat, memory: Flat, gradient: int, n_in: int, n_out: int, n_used: int, begin: int, end: int
) -> None:
    """Set gradients to zero of inputs that are not used: those before each used one of this share, or behind the last."""
    for k in range(begin, end + 1 if end == n_used else end):
        after = used[k - 1] + 1 if k > 0 else 0
        until = used[k] if k < n_used else n_in
        for i in range(gradient + after * n_out, gradient + until * n_out):
            memory[i] = 0


@inner
def pass_batch(
    plan: Any,
    memory: Flat,
    sums: Any,
    samples: Any,
    draws: Flat,
    first_draw: int,
    first: int,
    batch_size: int,
    team: Any,
) -> None:
    """Write the gradient of a batch, and keep the sums of its costs and scores."""
    gradient = plan[at.SINGLE, at.GRADIENT]
    begin, end = share(padded(plan[at.SINGLE, at.N_PARAMETERS]), WIDTH, team)
    n_blocks = 0
    for start in range(0, batch_size, BLOCK):
        n_real = min(BLOCK, batch_size - start)
        width = padded(n_real)
        gather(plan, memory, samples, first + start, n_real, width, team)
        forward(plan, memory, draws, first_draw + start, batch_size, width, team)
        if team.rank == 0:
            cost, score = judge(plan, memory, width)
            add_in_pairs(memory, plan[at.SINGLE, at.COST_SUMS], n_blocks, cost)
            add_in_pairs(memory, plan[at.SINGLE, at.SCORE_SUMS], n_blocks, score)
        backward(plan, memory, draws, first_draw + start, batch_size, n_real, width, team)
        if batch_size > BLOCK:
            add_vectors_in_pairs(sums, n_blocks, memory, gradient, begin, end)
        n_blocks += 1
    if batch_size > BLOCK:
        close_vector_pairs(sums, n_blocks, memory, gradient, begin, end)
        wait(team)
