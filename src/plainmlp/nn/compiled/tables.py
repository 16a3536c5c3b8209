"""The tables of the core as compiled functions: each takes the place of an entry, and the arguments of its loop.

The elementwise functions of the definition are compiled as their source stands, with vectors in place of arrays.
"""

from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba.extending import register_jitable

from plainmlp.nn import activations, functions, losses, optimizers
from plainmlp.nn.arithmetic import select
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.lanes import WIDTH, load, nothing, spread, store
from plainmlp.nn.compiled.products import Flat, inner
from plainmlp.nn.functions import exp, log

for _module in (functions, activations, losses, optimizers):
    for _function in vars(_module).values():
        if isinstance(_function, FunctionType) and _function.__module__ == _module.__name__:
            register_jitable(_function)  # compiled code may call it; nothing is compiled before


def _choice(table: dict[str, Any], build: Callable[[Any], Any]) -> Any:
    """Return a compiled function (code, *arguments) that calls what `build` returns for the entry of that place.

    Its source is written here, a branch for each entry, since Numba has no tables of functions.
    """
    branches = "".join(f"\n    if code == {place}:\n        of_{place}(*arguments)" for place in range(len(table)))
    names = {f"of_{place}": build(entry) for place, entry in enumerate(table.values())}
    exec(f"def choose(code, *arguments):{branches}", names)  # noqa: S102  our own lines
    return inner(names["choose"])


def _build_map(function: Any) -> Any:
    @inner
    def apply(memory: Flat, values: int, out: int, size: int) -> None:
        for i in range(0, size, WIDTH):
            store(memory, out + i, function(load(memory, values + i)))

    return apply


def _build_backward(entry: Any) -> Any:
    backward = entry.backward

    @inner
    def go_back(memory: Flat, delta: int, z: int, output: int, size: int) -> None:
        for i in range(0, size, WIDTH):
            error = backward(load(memory, delta + i), load(memory, z + i), load(memory, output + i))
            store(memory, delta + i, error)

    return go_back


def _build_assessment(entry: Any) -> Any:
    if entry.pointwise is None:
        return _assess_classes
    error, cost, link = entry.pointwise
    is_right = entry.metric == "accuracy"

    @inner
    def assess(plan: Any, memory: Flat, z: int, delta: int, n_out: int, width: int) -> None:
        single, zero = plan[at.SINGLE], nothing(memory)
        scales, targets = single[at.SCALES], single[at.TARGETS]
        limit, one = spread(memory[single[at.RATES] + at.THRESHOLD]), zero + 1
        for v in range(0, width, WIDTH):
            costs = score = zero
            failed = zero > one
            for o in range(n_out):
                place = o * width + v
                values, wanted = load(memory, z + place), load(memory, targets + place)
                store(memory, delta + place, error(values, wanted, limit))
                costs = costs + cost(values, wanted, limit)
                if is_right:
                    failed = failed | (select(values > 0, one, zero) != select(wanted > 0.5, one, zero))
                else:
                    difference = (link(values) - wanted) * memory[scales + o]
                    score = score + difference * difference
            store(memory, single[at.COSTS] + v, costs)
            store(memory, single[at.SCORES] + v, select(failed, zero, one) if is_right else score / n_out)

    return assess


@inner
def _soften(memory: Flat, z: int, out: int, totals: int, n_out: int, width: int) -> None:
    """Shift the sums of each sample by their largest, and write softmax of them and the sums of their exponentials."""
    for v in range(0, width, WIDTH):
        largest = load(memory, z + v)
        for i in range(z + width + v, z + n_out * width, width):
            values = load(memory, i)
            largest = select(values > largest, values, largest)
        for i in range(z + v, z + n_out * width, width):
            store(memory, i, load(memory, i) - largest)
    for i in range(0, n_out * width, WIDTH):
        store(memory, out + i, exp(load(memory, z + i)))
    for v in range(0, width, WIDTH):
        total = nothing(memory)
        for i in range(out + v, out + n_out * width, width):
            total = total + load(memory, i)
        store(memory, totals + v, total)
        inverse = 1 / total
        for i in range(out + v, out + n_out * width, width):
            store(memory, i, load(memory, i) * inverse)


@inner
def _assess_classes(plan: Any, memory: Flat, z: int, delta: int, n_out: int, width: int) -> None:
    """Write errors, costs and scores with the cross-entropy; the targets are the numbers of the samples' classes."""
    single, zero = plan[at.SINGLE], nothing(memory)
    costs, scores, targets = single[at.COSTS], single[at.SCORES], single[at.TARGETS]
    _soften(memory, z, delta, costs, n_out, width)
    for v in range(0, width, WIDTH):
        true, of_true, score, first = load(memory, targets + v), zero, zero, zero + 1
        for o in range(n_out):
            place = o * width + v
            is_true, shifted = true == o, load(memory, z + place)
            error = load(memory, delta + place)
            store(memory, delta + place, select(is_true, error - 1, error))
            of_true = select(is_true, shifted, of_true)
            is_largest = shifted == 0
            score = select(is_true & is_largest, first, score)
            first = select(is_largest, zero, first)
        store(memory, costs + v, log(load(memory, costs + v)) - of_true)
        store(memory, scores + v, score)


def _build_link(entry: Any) -> Any:
    if entry.pointwise is None:
        return _soften
    link = entry.pointwise.link

    @inner
    def apply(memory: Flat, z: int, out: int, totals: int, n_out: int, width: int) -> None:
        for i in range(0, n_out * width, WIDTH):
            store(memory, out + i, link(load(memory, z + i)))

    return apply


def _build_update(entry: Any) -> Any:
    update, n_slots = entry.update, entry.n_slots
    n_coefficients = update.__code__.co_argcount - 2 - n_slots

    @inner
    def apply(memory: Flat, gradient: int, stride: int, row: Flat, first: int, last: int) -> None:
        coefficients = (row[0], row[1], row[2], row[3], row[4])[:n_coefficients]
        for i in range(first, last, WIDTH):
            slots = (load(memory, stride + i), load(memory, 2 * stride + i))[:n_slots]
            updated = update(load(memory, i), load(memory, gradient + i), *(slots + coefficients))
            for k in range(1 + n_slots):
                store(memory, k * stride + i, updated[k])

    return apply


activate = _choice({name: entry.function for name, entry in activations.ACTIVATIONS.items()}, _build_map)
go_back = _choice(activations.ACTIVATIONS, _build_backward)
assess = _choice(losses.LOSSES, _build_assessment)
link = _choice(losses.LOSSES, _build_link)
update_parameters = _choice(optimizers.OPTIMIZERS, _build_update)
apply_function = _choice(functions.FUNCTIONS, _build_map)
