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


def send_back(weights: Array, errors: Array) -> Array:
    """Return what goes back to the inputs of a layer: for each the sum over the outputs of weight times error.

    Parameters
    ----------
    weights : ndarray of shape (n_in, n_out)
    errors : ndarray of shape (n_out, n_samples)

    Returns
    -------
    ndarray of shape (n_in, n_samples)
    """
    return weigh(weights.T, errors)


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
    waiting: list[tuple[int, Array]] = []  # sums of 1, 2, 4 ... blocks, the latest last
    for added in sums:
        size, value = 1, added
        while waiting and waiting[-1][0] == size:
            value = waiting.pop()[1] + value
            size *= 2
        waiting.append((size, value))
    _, value = waiting.pop()
    while waiting:
        value = waiting.pop()[1] + value
    return value


def blocks(n_samples: int) -> Iterator[slice]:
    """Yield the samples of each block."""
    for start in range(0, n_samples, BLOCK):
        yield slice(start, min(start + BLOCK, n_samples))
