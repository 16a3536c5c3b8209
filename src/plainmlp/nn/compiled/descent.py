"""The compiled form of a network's descent: `plainmlp.nn.descent.PlainDescent` at the speed of its arithmetic."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.batches import Block
from plainmlp.nn.compiled.cache import caching
from plainmlp.nn.compiled.plan import (
    BATCH,
    DROPPED,
    FACTOR,
    HALF,
    L1,
    L2,
    LEVELS,
    LIMIT,
    N_RATES,
    NORM,
    ONE,
    RAISED,
    SCALES,
    SINGLE,
    SLOTS,
    THRESHOLD,
    lay_out,
    padded,
)
from plainmlp.nn.descent import Measured, Steps
from plainmlp.nn.functions import FUNCTIONS
from plainmlp.nn.products import BLOCK, LANES
from plainmlp.nn.recipe import Recipe

with caching():
    from plainmlp.nn.compiled.samples import Samples, Team
    from plainmlp.nn.compiled.steps import descend, evaluate, inspect

CACHE_LINE = 64  # bytes


class CompiledDescent:
    """A network and its optimiser in compiled code; see `plainmlp.nn.descent.Descent` for the methods.

    Parameters
    ----------
    architecture : Architecture
    parameters : ndarray of shape (n_parameters,)
        Copied, as `slots` are.
    slots : tuple of ndarray of shape (n_parameters,)
    recipe : Recipe
    target_scale : ndarray of shape (n_out,), optional
        What regression targets were divided by.
    threads : int, default 1
        That share the work of an update.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Array,
        slots: tuple[Array, ...],
        recipe: Recipe,
        target_scale: Array | None = None,
        threads: int = 1,
    ) -> None:
        self._architecture, self._dtype, self._threads = architecture, parameters.dtype, threads
        size = padded(architecture.n_parameters)
        self._plan, n_numbers = lay_out(architecture, recipe, len(slots), threads)
        self._memory = _aligned(n_numbers, self._dtype)
        self._sums = np.zeros(0, self._dtype)
        self._draws = np.zeros(0, self._dtype)
        single, n_out = self._plan[SINGLE], architecture.layer_sizes[-1]
        self.parameters = self._memory[: architecture.n_parameters]
        self.slots = tuple(
            self._memory[single[SLOTS] + i * size :][: architecture.n_parameters] for i in range(len(slots))
        )
        for own, given in zip((self.parameters, *self.slots), (parameters, *slots), strict=True):
            own[:] = given
        self._memory[single[SCALES] :][:n_out] = 1 if target_scale is None else target_scale
        self._rates = self._memory[single[SCALES] + n_out :][:N_RATES]
        threshold = dict(architecture.loss_options).get("threshold", 1.0)
        self._rates[[L1, L2, LIMIT]] = recipe.l1, recipe.l2, recipe.clip_norm
        self._rates[[DROPPED, RAISED, THRESHOLD]] = recipe.dropout, 1 / (1 - recipe.dropout), threshold
        self._rates[[HALF, ONE]] = 0.5, 1

    def descend(
        self, block: Block, coefficients: Array, draws: Array, *, learning_rate: float, measures_norm: bool
    ) -> Steps:
        """Make an update a batch."""
        size = block.batch_size
        self._rates[[BATCH, FACTOR, NORM]] = size, 1 / size, 0
        if size > BLOCK and not len(self._sums):
            self._sums = np.zeros(LEVELS * padded(len(self.parameters)), self._dtype)
        losses, scores = np.empty((2, block.n_batches), self._dtype)
        arguments = (
            self._plan,
            self._memory,
            self._sums,
            self._samples(block),
            self._padded_draws(draws),
            coefficients,
            size,
            measures_norm,
            losses,
            scores,
        )
        self._share(lambda team: descend(*arguments, team))
        return Steps(losses, scores.astype(np.float64) / size, float(self._rates[NORM]))

    def _share(self, work: Callable[[Team], None]) -> None:
        """Let all threads do some work together."""
        counter = np.zeros(1, np.int64)
        if self._threads == 1:
            work(Team(0, 1, counter))
            return
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(lambda rank: work(Team(rank, self._threads, counter)), range(self._threads)))

    def measure(self, block: Block) -> Measured:
        """Return what the rows of a block cost, in their order, without penalties."""
        n_blocks = -(-len(block.rows) // BLOCK)
        costs, scores = np.empty((2, n_blocks), self._dtype)
        self._inspect(self._samples(block), len(block.rows), costs=costs, scores=scores)
        return Measured(costs, scores)

    def outputs(self, inputs: Array) -> Array:
        """Return the outputs (n_samples, n_out) for inputs (n_samples, n_in): probabilities, or values."""
        results = np.empty((len(inputs), self._architecture.layer_sizes[-1]), self._dtype)
        self._inspect(self._inputs_alone(inputs), len(inputs), outputs=results.reshape(-1))
        return results

    def alive(self, inputs: Array) -> Array:
        """Return for each hidden unit, and after them each output, whether it is above zero for any of some inputs."""
        found = np.zeros(sum(self._architecture.layer_sizes[1:]), bool)
        self._inspect(self._inputs_alone(inputs), len(inputs), alive=found)
        return found

    def _inspect(self, samples: Samples, n_samples: int, **wanted: Array) -> None:
        nothing = np.empty(0, self._dtype)
        given = {"costs": nothing, "scores": nothing, "outputs": nothing, "alive": np.empty(0, bool), **wanted}
        inspect(
            self._plan, self._memory, samples, nothing, n_samples, *given.values(), Team(0, 1, np.zeros(1, np.int64))
        )

    def _samples(self, block: Block) -> Samples:
        values = block.targets.reshape(-1) if block.targets.ndim == 2 else np.empty(0, self._dtype)
        classes = block.targets if block.targets.ndim == 1 else np.empty(0, np.int64)
        return Samples(*map(_read_only, (block.inputs.reshape(-1), classes, values, block.weights, block.rows)))

    def _inputs_alone(self, inputs: Array) -> Samples:
        nothing = np.empty(0, self._dtype)
        flat = np.ascontiguousarray(inputs, self._dtype).reshape(-1)
        return Samples(*map(_read_only, (flat, np.empty(0, np.int64), nothing, nothing, np.arange(len(inputs)))))

    def _padded_draws(self, draws: Array) -> Array:
        """Return the draws with some numbers behind them, since 16 are read at once."""
        if not draws.size:
            return draws.reshape(-1)
        if len(self._draws) < draws.size + LANES:
            self._draws = np.zeros(draws.size + LANES, self._dtype)
        self._draws[: draws.size] = draws.reshape(-1)
        return self._draws


def _read_only(array: Array) -> Array:
    """Return a view that cannot be written: one kind of array, so that no other is compiled for."""
    view = array.view()
    view.flags.writeable = False
    return view


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
    given = np.zeros(padded(len(values)), values.dtype)
    given[: len(values)] = values
    out = np.empty_like(given)
    evaluate(list(FUNCTIONS).index(name), given, out)
    return out[: len(values)]
