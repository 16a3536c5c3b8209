import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from networks import (
    DTYPES,
    SGD,
    draw_parameters,
    make_architecture,
    make_descent,
    make_examples,
    make_steps,
    train,
    whole_block,
)
from plainmlp.nn.batches import Batches, Block, Examples
from plainmlp.nn.compiled import descent as compiled_descent
from plainmlp.nn.compiled import steps as compiled_steps
from plainmlp.nn.randomness import MANY_ROWS, draw_order, generator
from plainmlp.nn.recipe import Recipe

RECIPE = Recipe(optimizer="adam", l1=0.01, l2=0.01, dropout=0.5, clip_norm=0.1)
ADAM = [0.01, 1e-8, 0.9, 0.999]


def case(n_batches, batch_size=32, threads=1):
    """Return a descent with all that a step can do, its block, coefficients and draws."""
    architecture = make_architecture((8, 20, 20, 3), "gelu")
    examples = make_examples("cross_entropy", n_batches * batch_size, 8, 3, weighted=True)
    (block,) = Batches(examples, 3, batch_size, 1).blocks(n_batches)
    descent = make_descent(architecture, RECIPE, draw_parameters(architecture), compiled=True, threads=threads)
    draws = np.random.default_rng(0).random(n_batches * 40 * batch_size)
    return descent, block, np.tile(ADAM, (n_batches, 1)), draws


def peak_of(n_batches, batch_size):
    """Return the most bytes that Python and NumPy hold in a call beyond those before it and those that it returns."""
    descent, block, coefficients, draws = case(n_batches, batch_size)
    for _ in range(2):
        tracemalloc.start()
        try:
            descent.descend(block, coefficients, draws, learning_rate=0.1, measures_norm=True)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    return peak - 5 * 8 * n_batches  # losses and scores, and scores twice more on the way to a mean


@pytest.mark.parametrize("batch_size", [1, 32, 300])
def test_a_step_allocates_nothing_in_python_and_numpy(batch_size):
    few, many = peak_of(2, batch_size), peak_of(1000, batch_size)
    assert many <= few + 1000


def allocated(n_batches):
    """Return how often Numba's runtime allocates in a call; it does so for each array that is handed to it."""
    descent, block, coefficients, draws = case(n_batches, 300)
    counts = []
    for _ in range(2):
        before = rtsys.get_allocation_stats()
        descent.descend(block, coefficients, draws, learning_rate=0.1, measures_norm=True)
        after = rtsys.get_allocation_stats()
        counts.append((after.alloc - before.alloc, after.mi_alloc - before.mi_alloc))
    return counts


def test_a_step_allocates_nothing_in_compiled_code():
    _nrt_python.memsys_enable_stats()
    try:
        one, many = allocated(1), allocated(100)
    finally:
        _nrt_python.memsys_disable_stats()
    assert one == many
    assert one[0][1] > 0  # else nothing was counted


def test_other_python_threads_run_during_a_call():
    """A call that lasts long is made, and this thread sees it go on while it counts."""
    descent, block, coefficients, draws = case(400, 300)
    begun, counted, ended = threading.Event(), 0, threading.Event()

    def call():
        begun.set()
        descent.descend(block, coefficients, draws, learning_rate=0.1, measures_norm=False)
        ended.set()

    first = descent.parameters.tobytes()
    thread = threading.Thread(target=call)
    thread.start()
    begun.wait()
    moved = 0
    while not ended.is_set():
        latest = descent.parameters.tobytes()
        moved += latest != first
        first, counted = latest, counted + 1
    thread.join()
    assert counted > 100
    assert moved > 2  # so this thread ran while the other was at work, not before or after it


def test_two_calls_are_made_at_once():
    """Each of two threads ends only when it has seen the other's network move in its own calls."""
    cases, seen = [case(50), case(50)], [False, False]

    def call(rank):
        descent, block, coefficients, draws = cases[rank]
        other = cases[1 - rank][0]
        while not all(seen):
            before = other.parameters.tobytes()
            descent.descend(block, coefficients, draws, learning_rate=0.1, measures_norm=False)
            seen[rank] = seen[rank] or before != other.parameters.tobytes()

    threads = [threading.Thread(target=call, args=(rank,), daemon=True) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert all(seen)


@pytest.mark.parametrize("batch_size", [5, 32, 300])
def test_threads_change_no_bit(batch_size):
    bits = set()
    for threads in (1, 2, 3, 7):
        descent, block, coefficients, draws = case(4, batch_size, threads)
        steps = descent.descend(block, coefficients, draws, learning_rate=0.1, measures_norm=True)
        bits.add((descent.parameters.tobytes(), steps.losses.tobytes(), steps.gradient_norm))
    assert len(bits) == 1


# sizes, weights and biases, target: the weight and the bias of a first unit cancel for an input of 1, not for 0
BEHIND = [((1, 1), [-1e20, 1e20], 0.0), ((1, 1, 1), [-3e38, 1e-10, 3e38, 3e38], 3e38)]


@pytest.mark.parametrize(("sizes", "parameters", "target"), BEHIND)
def test_what_stands_behind_the_last_sample_is_no_sample(sizes, parameters, target):
    """It is laid out as zeros, for which a loss or a layer would overflow here."""
    architecture = make_architecture(sizes, "silu", "squared_error")
    examples = Examples(np.ones((3, 1), np.float32), np.full((3, 1), target, np.float32))
    bits = []
    for compiled in (False, True):
        descent = make_descent(architecture, SGD, np.array(parameters, np.float32), compiled=compiled)
        block = whole_block(architecture, examples)
        measured, steps = descent.measure(block), make_steps(descent, block, [[1.0]])
        assert np.isfinite(descent.parameters).all()
        bits.append([part.tobytes() for part in (*measured, steps.losses, steps.scores, descent.parameters)])
    assert bits[0] == bits[1]


def test_what_is_given_is_left_alone():
    parameters = draw_parameters(make_architecture((2, 4, 3)))
    slots = (np.ones_like(parameters),)
    examples, recipe = make_examples("cross_entropy", 9, 2, 3), replace(SGD, optimizer="momentum")
    descent = make_descent(make_architecture((2, 4, 3)), recipe, parameters, slots, compiled=True)
    before = parameters.tobytes(), slots[0].tobytes(), [part.tobytes() for part in examples[:2]]
    make_steps(descent, whole_block(make_architecture((2, 4, 3)), examples), [[0.1, 0.9]])
    assert descent.parameters.tobytes() != before[0]
    assert descent.slots[0].tobytes() != before[1]
    assert before == (parameters.tobytes(), slots[0].tobytes(), [part.tobytes() for part in examples[:2]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_kind_of_array_is_compiled_for_again(dtype, tmp_path):
    """Compiling takes a minute: inputs of a file, targets that are a column and weights that cannot be written."""
    architecture = make_architecture((3, 4, 3))
    examples = make_examples("cross_entropy", 20, 3, 3, dtype=dtype, weighted=True)
    train(architecture, Recipe(), examples, examples, batch_size=8, compiled=True)
    known = [len(function.signatures) for function in (compiled_steps.descend, compiled_steps.inspect)]
    np.save(tmp_path / "inputs.npy", examples.inputs)
    column = np.stack([examples.targets] * 2, axis=1)[:, 0]
    weights = examples.weights.astype(dtype)
    weights.flags.writeable = False
    part = Examples(np.load(tmp_path / "inputs.npy", mmap_mode="r"), column, weights)
    for shuffle in (True, False):
        train(architecture, Recipe(), part, part, batch_size=8, compiled=True, shuffle=shuffle)
    assert known == [len(function.signatures) for function in (compiled_steps.descend, compiled_steps.inspect)]


def test_many_small_batches_fit_behind_a_large_one():
    """Buffers of sums and draws that one block needed are no bother to the next."""
    bits = []
    for compiled in (False, True):
        architecture = make_architecture((2, 4, 3))
        examples = make_examples("cross_entropy", 600, 2, 3)
        descent = make_descent(architecture, RECIPE, draw_parameters(architecture), compiled=compiled)
        draw = np.random.default_rng(0).random
        for batch_size in (3, 600, 1, 257):
            rows = np.arange(600)  # a batch of what is left comes last
            block = Block(examples.inputs, examples.targets, np.empty(0), rows, batch_size)
            draws = draw(4 * 600)
            make_steps(descent, block, np.tile(ADAM, (block.n_batches, 1)), draws)
        bits.append(descent.parameters.tobytes())
    assert bits[0] == bits[1]


@pytest.mark.parametrize("words", [1, 7, 1 << 17])
@pytest.mark.parametrize("n_samples", [2048, 2049, 4096, 13500, MANY_ROWS])
def test_orders_and_the_state_after_them_are_those_of_numpy(n_samples, words, monkeypatch):
    """In one go or in many; an order that ends within a word leaves half of it to the next."""
    monkeypatch.setattr(compiled_descent, "WORDS", words if n_samples < MANY_ROWS else 1 << 17)
    descent = case(1)[0]
    plain, compiled = generator(7, "shuffle"), generator(7, "shuffle")
    for _ in range(2 if n_samples == MANY_ROWS else 20):
        ordered, expected = descent.draw_order(compiled, n_samples), draw_order(plain, n_samples)
        assert ordered.dtype == expected.dtype
        np.testing.assert_array_equal(ordered, expected)
        assert compiled.bit_generator.state == plain.bit_generator.state


def test_an_order_takes_little_more_memory_than_itself():
    descent, stream = case(1)[0], generator(0, "shuffle")
    descent.draw_order(stream, MANY_ROWS)
    tracemalloc.start()
    try:
        order = descent.draw_order(stream, 4 * MANY_ROWS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * order.nbytes < 5 * len(order)
