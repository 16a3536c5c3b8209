"""Products and sums, each in an order that is written down here: what makes their bits the same everywhere.

Every sum begins with +0. So a term that is zero can be left out, and zeros can be added behind: no bit depends on it.

- A sum over the units of a layer goes through them in order.
- A sum over samples goes in blocks of 256, whose sums are added in pairs, so that its error grows with the logarithm of
  their number (Higham, 1993). Within a block it goes in order where it makes the weights of a layer with at least 16
  outputs, and else in 16 lanes: lane j takes the samples j, j + 16, j + 32 ... in order, then the halves are added,
  8 lanes to 8, 4 to 4, 2 to 2 and 1 to 1.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from plainmlp.nn.arithmetic import Array

BLOCK, LANES = 256, 16


def weigh(weights: Array, inputs: Array) -> Array:
    """Return what reaches the units of a layer: for each output the sum over the inputs of weight times input.

    Parameters
    ----------
    weights : ndarray of shape (n_in, n_out)
    inputs : ndarray of shape (n_in, n_samples)

    Returns
    -------
    ndarray of shape (n_out, n_samples)
    """
    sums = np.zeros((weights.shape[1], inputs.shape[1]), weights.dtype)
    for row, values in zip(weights, inputs, strict=True):
        sums += row[:, np.newaxis] * values
    return sums


def correlate(inputs: Array, errors: Array) -> Array:
    """Return the gradient of a layer's weights: the sum over a block's samples of input times error.

    Parameters
    ----------
    inputs : ndarray of shape (n_in, n_samples)
        At most 256 samples.
    errors : ndarray of shape (n_out, n_samples)

    Returns
    -------
    ndarray of shape (n_in, n_out)
    """
    if len(errors) >= LANES:
        return weigh(errors.T, inputs.T).T
    return block_sum(inputs[:, np.newaxis] * errors)


def block_sum(values: Array) -> Array:
    """Return the sum over the last axis, of at most 256 samples, in 16 lanes."""
    lanes = np.zeros((*values.shape[:-1], LANES), values.dtype)
    for start in range(0, values.shape[-1], LANES):
        some = values[..., start : start + LANES]
        lanes[..., : some.shape[-1]] += some
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


def total(values: Array) -> Array:
    """Return the sum of numbers in one dimension."""
    return add_in_pairs(block_sum(values[block]) for block in blocks(len(values)))


def add_in_pairs(sums: Iterable[Array]) -> Array:
    """Return the sum of the sums of blocks: of two neighbours, of two such pairs, and so on; what is left comes last."""
    added = list(sums)
    while len(added) > 1:
        left = added[len(added) // 2 * 2 :]
        added = [first + second for first, second in zip(added[::2], added[1::2], strict=False)] + left
    return added[0]


def blocks(n_samples: int) -> Iterator[slice]:
    """Yield the samples of each block."""
    for start in range(0, n_samples, BLOCK):
        yield slice(start, min(start + BLOCK, n_samples))
