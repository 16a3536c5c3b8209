"""The compiled form of a network's descent: `plainmlp.nn.descent.PlainDescent` at the speed of its arithmetic."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import Block
from plainmlp.nn.compiled import plan as at
from plainmlp.nn.compiled.cache import caching
from plainmlp.nn.compiled.plan import LEVELS, lay_out, padded
from plainmlp.nn.descent import Start, Steps
from plainmlp.nn.functions import FUNCTIONS
from plainmlp.nn.products import BLOCK, LANES
from plainmlp.nn.randomness import draw_order, row_numbers

with caching():
    from plainmlp.nn.compiled.samples import Samples, Team
    from plainmlp.nn.compiled.steps import Updates, Wanted, descend, evaluate, inspect, shuffle

CACHE_LINE = 64  # bytes
FEW = 64  # samples that most units are found alive with
MANY = 2048  # samples, whose order is drawn sooner here than by NumPy
SHARED_WORK = 1 << 25  # multiplications in a pass over a block: of fewer, threads wait longer than they work
WORDS = 1 << 17  # of 64 random bits that are drawn at once


class CompiledDescent:
    """A network and its optimiser in compiled code; see `plainmlp.nn.descent.Descent` for the methods."""

    def __init__(self, start: Start) -> None:
        architecture, recipe, parameters, slots, target_scale, threads = start
        self._n_out, self._dtype, self._threads = architecture.layer_sizes[-1], parameters.dtype, threads
        self._plan, n_numbers = lay_out(architecture, recipe, len(slots), threads)
        self._memory, self._sums, self._draws = _aligned(n_numbers, self._dtype), *np.zeros((2, 0), self._dtype)
        nothing = np.empty(0, self._dtype)
        self._unwanted = nothing, nothing, nothing, np.empty(0, bool)
        self._alone = Team(0, 1, np.zeros(1, np.int64))
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        single, size = self._plan[at.SINGLE], len(parameters)
        self.parameters, *own_slots = (self._memory[i * padded(size) :][:size] for i in range(1 + len(slots)))
        self.slots = tuple(own_slots)
        for own, given in zip((self.parameters, *self.slots), (parameters, *slots), strict=True):
            own[:] = given
        self._memory[single[at.SCALES] :][: self._n_out] = 1 if target_scale is None else target_scale
        self._rates = self._memory[single[at.RATES] :][: at.N_RATES]
        threshold = dict(architecture.loss_options).get("threshold", 1.0)
        self._rates[[at.L1, at.L2, at.LIMIT]] = recipe.l1, recipe.l2, recipe.clip_norm
        self._rates[[at.DROPPED, at.RAISED, at.THRESHOLD]] = recipe.dropout, 1 / (1 - recipe.dropout), threshold
        self._memory[single[at.NUMBERS] :][:LANES] = range(LANES)

    def descend(
        self, block: Block, coefficients: Array, draws: Array, *, learning_rate: float, measures_norm: bool
    ) -> Steps:
        """Make an update a batch."""
        n_batches, size = block.n_batches, block.batch_size
        if size > BLOCK and not len(self._sums):
            self._sums = np.zeros(LEVELS * (padded(len(self.parameters)) + LANES), self._dtype)
        losses, scores = np.empty((2, n_batches), self._dtype)
        samples, draws = Samples(*block.flat), self._padded_draws(draws)
        updates = Updates(coefficients, losses, scores, size, measures_norm)
        given = self._plan, self._memory, self._sums, samples, draws, updates
        if self._pool is None or len(self.parameters) * min(size, BLOCK) < SHARED_WORK:
            descend(*given, self._alone)
        else:
            counter = np.zeros(1, np.int64)
            teams = [Team(rank, self._threads, counter) for rank in range(self._threads)]
            list(self._pool.map(lambda team: descend(*given, team), teams))
        return Steps(losses, scores, float(self._rates[at.NORM]))

    def measure(self, block: Block) -> tuple[Array, Array]:
        """Return what the rows of a block cost and score, without penalties, in their order."""
        costs, scores = np.empty((2, -(-len(block.rows) // BLOCK)), self._dtype)
        self._inspect(block, BLOCK, Wanted(costs, scores, *self._unwanted[2:]))
        return costs, scores

    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in): probabilities, or values."""
        results = np.empty((len(inputs), self._n_out), self._dtype)
        inputs, rows = np.ascontiguousarray(inputs, self._dtype), np.arange(len(inputs))
        block = Block(inputs, np.empty(0, np.int64), self._unwanted[0], rows, BLOCK)
        self._inspect(block, BLOCK, Wanted(*self._unwanted[:2], results.reshape(-1), self._unwanted[3]))
        return results

    def alive(self, block: Block, watched: Array) -> Array:
        """Return for each hidden unit, and after them each output, whether it is above zero for any row of a block."""
        found = ~watched
        self._inspect(block, FEW, Wanted(*self._unwanted[:3], found))
        return found

    def _inspect(self, block: Block, size: int, wanted: Wanted) -> None:
        """Pass a block's rows forward, so many at a time, and write what is wanted."""
        inspect(self._plan, self._memory, Samples(*block.flat), size, wanted, self._alone)

    def draw_order(self, generator: np.random.Generator, n_samples: int) -> Array:
        """Return a random order of the samples, with the draws and the state afterwards that NumPy comes to."""
        if n_samples < MANY:
            return draw_order(generator, n_samples)
        bits, order, last = cast("np.random.PCG64", generator.bit_generator), row_numbers(n_samples), n_samples - 1
        words, before = np.empty(0, np.uint64), bits.state
        draws = np.full(before["has_uint32"], before["uinteger"], np.uint32)  # what a draw of 32 bits has left
        while last:
            used, last = shuffle(draws, order, last)
            if last:
                words = bits.random_raw(min(last * 3 // 4 + 1, WORDS))  # of two draws each, three in ten are rejected
                draws = words.view(np.uint32)
        n_used = -(-used // 2)
        bits.advance(n_used - len(words))
        bits.state = {**bits.state, "has_uint32": used % 2, "uinteger": int(words[n_used - 1]) >> 32}
        return order

    def _padded_draws(self, draws: Array) -> Array:
        """Return the draws with some numbers behind them, since 16 are read at once."""
        if not draws.size:
            return draws
        if len(self._draws) < draws.size + LANES:
            self._draws = np.zeros(draws.size + LANES, self._dtype)
        self._draws[: draws.size] = draws
        return self._draws


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Return zeros that begin with a line of the cache."""
    numbers = np.zeros(size + CACHE_LINE // dtype.itemsize, dtype)
    offset = -numbers.ctypes.data % CACHE_LINE // dtype.itemsize
    return numbers[offset : offset + size]


def evaluate_function(name: str, values: Array) -> Array:
    """Return an elementary function of some numbers, compiled.

    Parameters
    ----------
    name : str
        A name in FUNCTIONS.
    values : ndarray of shape (n,), float32 or float64
    """
    memory = np.zeros(padded(len(values)), values.dtype)
    memory[: len(values)] = values
    evaluate(list(FUNCTIONS).index(name), memory)
    return memory[: len(values)]
