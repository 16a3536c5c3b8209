"""The plan of a network in compiled code: where all its numbers lie in one flat array."""

from typing import Any

import numpy as np

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.arithmetic import Array
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.products import BLOCK, LANES
from plainmlp.nn.recipe import Recipe

LISTED_WEIGHTS = 1 << 18  # of the first layer: more are too many for the cache that has to hold them
LEVELS = 32  # of sums in pairs: for 2^32 blocks, more than there can be

# The plan is a table of rows, with the numbers 0, 1, 2 ... behind it. Rows with an entry a layer:
SIZE = 0  # units; the inputs are layer 0
ACTIVATION = 1  # places in ACTIVATIONS
WEIGHTS, BIASES = 2, 3  # where those of a layer begin; below 0 without biases
READ, KEPT = 4, 5  # where lies what a layer reads, without dropout and with it
Z, OUTPUT, DELTA = 6, 7, 8  # where lie sums, what becomes of them, and their errors
FORMER = 9  # hidden units before those of a layer
# and a row of single entries:
SINGLE = 10
N_LAYERS, LOSS, OPTIMIZER, N_WEIGHTS, N_PARAMETERS, N_UNITS, N_USED = range(7)
SHARES, REAL, TARGETS, TURNED, COSTS, SCORES, GRADIENT, SCALES = range(7, 15)
NUMBERS = 15  # where 0 to 15 lie
TOTALS = 16  # what a batch costs and scores, behind its gradient
SUMS, USED, ORDER = 17, 18, 19  # SUMS: of the blocks of all parameters
# inputs may be listed, those that are not zero alone: whether they can be and are; where lie the values and places of a
# sample's, and of those of one input; how many of these there are
CAN_LIST, LISTS, ROW_VALUES, ROW_PLACES, COLUMN_VALUES, COLUMN_PLACES, COLUMN_COUNTS = range(20, 27)
PACKED, STARTS = 27, 28  # for each thread: room for a block of a factor; where the inputs of a block's samples begin
RATES = 29  # where these lie:
N_SINGLE, N_ROWS = 30, 11
L1, L2, LIMIT, DROPPED, RAISED, THRESHOLD, BATCH, FACTOR, NORM, N_RATES = range(10)


class _Space:
    """Room in an array, given away piece by piece.

    Parameters
    ----------
    end : int
        What is taken already.
    """

    def __init__(self, end: int = 0) -> None:
        self.end = end

    def reserve(self, size: int) -> int:
        """Return where a piece begins."""
        start = self.end
        self.end += padded(size)
        return start


def lay_out(architecture: Architecture, recipe: Recipe, n_slots: int, threads: int) -> tuple[Array, int]:
    """Return the plan of a network, and how many numbers it has."""
    n_layers, numbers = len(architecture.shapes), _Space()
    table = np.zeros((N_ROWS, padded(max(N_SINGLE, n_layers + 1))), np.int64)
    *_, gradient = (numbers.reserve(architecture.n_parameters) for _ in range(2 + n_slots))  # slots lie between
    totals = numbers.reserve(LANES)
    for row, values in zip(table, _layer_rows(architecture, recipe, numbers), strict=False):
        row[: len(values)] = values
    single, sizes = table[SINGLE], architecture.layer_sizes
    single[[N_LAYERS, N_WEIGHTS, N_PARAMETERS]] = n_layers, architecture.n_weights, architecture.n_parameters
    single[[LOSS, OPTIMIZER]] = list(LOSSES).index(architecture.loss), list(OPTIMIZERS).index(recipe.optimizer)
    single[[N_UNITS, GRADIENT, TOTALS]] = sum(sizes[1:-1]), gradient, totals
    single[[SHARES, REAL, COSTS, SCORES]] = [numbers.reserve(BLOCK) for _ in range(4)]
    single[[NUMBERS, SUMS]] = numbers.reserve(LANES), numbers.reserve(architecture.n_parameters // BLOCK + 1)
    single[TARGETS] = numbers.reserve(sizes[-1] * BLOCK)
    single[[SCALES, RATES]] = numbers.reserve(sizes[-1]), numbers.reserve(N_RATES)
    single[TURNED] = numbers.reserve(spaced(max(sizes[1:])) * spaced(BLOCK))
    single[PACKED] = numbers.reserve(threads * LANES * BLOCK)
    n_listed = sizes[0] if sizes[1] >= LANES and sizes[0] * sizes[1] <= LISTED_WEIGHTS else 0
    single[[CAN_LIST, ROW_VALUES]] = n_listed > 0, numbers.reserve(sizes[0])
    single[COLUMN_VALUES] = numbers.reserve(n_listed * BLOCK)
    places = _Space(table.size)  # the plan goes on in the same array
    single[[USED, ORDER]] = places.reserve(sizes[0]), places.reserve(max(*sizes, BLOCK))
    single[[ROW_PLACES, COLUMN_COUNTS]] = places.reserve(sizes[0]), places.reserve(n_listed)
    single[[COLUMN_PLACES, STARTS]] = places.reserve(n_listed * BLOCK), places.reserve(threads * BLOCK)
    plan = np.zeros((-(-places.end // table.shape[1]), table.shape[1]), np.int64)
    plan[: len(table)] = table
    plan.reshape(-1)[single[ORDER] :][: max(*sizes, BLOCK)] = np.arange(max(*sizes, BLOCK))
    return plan, numbers.end + LANES


def _layer_rows(architecture: Architecture, recipe: Recipe, numbers: _Space) -> list[Any]:
    """Return the rows of the plan that have an entry a layer."""
    sizes, n_layers = architecture.layer_sizes, len(architecture.shapes)
    ends = np.cumsum([0, *(n_in * n_out for n_in, n_out in architecture.shapes), *sizes[1:]])
    biases = ends[n_layers:-1] if architecture.bias else np.full(n_layers, -1)
    z, outputs, deltas = ([numbers.reserve(units * BLOCK) for units in sizes[1:]] for _ in range(3))
    inputs = numbers.reserve(sizes[0] * BLOCK)
    kept = [numbers.reserve(units * BLOCK) for units in sizes[1:-1]] if recipe.dropout else outputs[:-1]
    activations = [list(ACTIVATIONS).index(name) for name in architecture.activations]
    reads = [inputs, *outputs[:-1]]
    former = np.cumsum([0, *sizes[1:-1]])
    return [sizes, activations, ends[:n_layers], biases, reads, [inputs, *kept], z, outputs, deltas, former]


def padded(size: int) -> int:
    """Return the multiple of 16 that is not below a number."""
    return (size + LANES - 1) // LANES * LANES


def spaced(n_out: int) -> int:
    """Return how far errors lie apart, a row a sample: not a power of two, whose rows would crowd a part of the cache."""
    return padded(n_out) | LANES
