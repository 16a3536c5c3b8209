"""An update on a single sample, compiled: its numbers lie one after another, and no gradient is written.

The same sums in the same order as those of a block of one sample.
"""

from typing import Any

from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, get, load, nothing, spread, store
from plainmlp.nn.compiled.passes import judge
from plainmlp.nn.compiled.products import Flat, Listed, inner, listed_product
from plainmlp.nn.compiled.samples import Span, gather_targets, list_sample, turn
from plainmlp.nn.compiled.tables import activate, go_back
from plainmlp.nn.optimizers import sgd
from plainmlp.nn.products import BLOCK


@inner
def step_one(plan: Any, memory: Flat, samples: Any, number: int, learning_rate: Any) -> Any:
    """Make a plain update on a single sample, and return its cost and score.

    No gradient is written: each weight is updated with the product of its input and error at once, if that is not zero.
    """
    n_layers = plan[at.SINGLE, at.N_LAYERS]
    count = list_sample(plan, memory, samples, samples.rows[number])
    for layer in range(n_layers):
        _reach(plan, memory, layer, count)
    cost, score = _judge_one(plan, memory, samples, number)
    for layer in range(n_layers - 1, -1, -1):
        if layer > 0:
            _send_back(plan, memory, layer)
        _update_layer(plan, memory, layer, count, learning_rate)
    return cost, score


@inner
def _reach(plan: Any, memory: Flat, layer: int, count: int) -> None:
    """Write what reaches the units of a layer, one after another, and what becomes of it."""
    single, n_out, z = plan[at.SINGLE], plan[at.SIZE, layer + 1], plan[at.Z, layer]
    values = plan[at.OUTPUT, layer - 1] if layer else single[at.ROW_VALUES]
    places = single[at.ORDER] if layer else single[at.ROW_PLACES]
    depth = plan[at.SIZE, layer] if layer else count
    listed_product(plan, memory, Listed(values, places, depth, plan[at.WEIGHTS, layer], n_out), n_out, z)
    if plan[at.BIASES, layer] >= 0:
        for o in range(0, n_out, WIDTH):
            store(memory, z + o, load(memory, z + o) + load(memory, plan[at.BIASES, layer] + o))
    if layer + 1 < single[at.N_LAYERS]:
        activate(plan[at.ACTIVATION, layer], memory, z, plan[at.OUTPUT, layer], n_out)


@inner
def _judge_one(plan: Any, memory: Flat, samples: Any, number: int) -> Any:
    """Write the output errors of a sample, one after another, and return its cost and score."""
    single, n_layers = plan[at.SINGLE], plan[at.SINGLE, at.N_LAYERS]
    n_out, z, delta = plan[at.SIZE, n_layers], plan[at.Z, n_layers - 1], plan[at.DELTA, n_layers - 1]
    span = Span(number, 1, WIDTH, 0, 0)
    gather_targets(plan, memory, samples, span)
    for o in range(n_out - 1, -1, -1):  # a row of 16 for each output, as a block has it
        value = get(memory, z + o)
        store(memory, z + o * WIDTH, nothing(memory))
        store(memory, z + o * WIDTH, value)
    cost, score = judge(plan, memory, span.width)
    scale = memory[single[at.SHARES]] * memory[single[at.RATES] + at.FACTOR]
    for o in range(n_out):
        store(memory, delta + o, get(memory, delta + o * WIDTH) * scale)
    _clear_behind(memory, delta, n_out)
    return cost, score


@inner
def _send_back(plan: Any, memory: Flat, layer: int) -> None:
    """Write the errors of the layer before one: its weights are turned, so that the sums of many inputs go side by side."""
    n_in, n_out, before = plan[at.SIZE, layer], plan[at.SIZE, layer + 1], plan[at.DELTA, layer - 1]
    order, out = plan[at.SINGLE, at.ORDER], plan[at.SINGLE, at.TURNED]
    for start in range(0, n_in, BLOCK):
        n, weights = min(BLOCK, n_in - start), plan[at.WEIGHTS, layer] + start * n_out
        turn(plan, memory, order, n_out, weights, (0, n), n_out, memory, out, at.spaced(n))
        listed = Listed(plan[at.DELTA, layer], order, n_out, out, at.spaced(n))
        listed_product(plan, memory, listed, n, before + start)
    go_back(plan[at.ACTIVATION, layer - 1], memory, before, plan[at.Z, layer - 1], plan[at.OUTPUT, layer - 1], n_in)
    _clear_behind(memory, before, n_in)


@inner
def _clear_behind(memory: Flat, start: int, size: int) -> None:
    """Set to zero what stands behind some numbers in their last vector."""
    for i in range(start + size, start + at.padded(size)):
        store(memory, i, 0)


@inner
def _update_layer(plan: Any, memory: Flat, layer: int, count: int, learning_rate: Any) -> None:
    """Update a layer's weights and biases; numbers behind a row meet errors of zero, which change nothing."""
    single, n_out, delta = plan[at.SINGLE], plan[at.SIZE, layer + 1], plan[at.DELTA, layer]
    n_used = plan[at.SIZE, layer] if layer else count
    values = plan[at.OUTPUT, layer - 1] if layer else single[at.ROW_VALUES]
    places = single[at.ORDER] if layer else single[at.ROW_PLACES]
    for k in range(n_used):
        value = spread(get(memory, values + k))
        row = plan[at.WEIGHTS, layer] + get(plan, places + k) * n_out
        for o in range(0, n_out, WIDTH):
            gradient = value * load(memory, delta + o) + 0
            store(memory, row + o, sgd(load(memory, row + o), gradient, learning_rate)[0])
    if plan[at.BIASES, layer] >= 0:
        for o in range(0, n_out, WIDTH):
            place = plan[at.BIASES, layer] + o
            store(memory, place, sgd(load(memory, place), load(memory, delta + o) + 0, learning_rate)[0])
