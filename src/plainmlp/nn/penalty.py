"""Penalties: what large weights cost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Penalty:
    """L1 and L2 penalties on the weights of a stack; the biases are free.

    A model whose rate is zero is left out by selection and not by the factor zero, which would turn the weights of one
    that diverges into NaN: it must have the numbers that it has alone.

    Parameters
    ----------
    l1, l2 : ndarray of shape (n_models, 1)
    weights : ndarray of shape (n_models, n_weights)
    """

    def __init__(self, l1: Array, l2: Array, weights: Array) -> None:
        terms = ((l2, 0.5, np.square, np.positive), (l1, 1.0, np.absolute, np.sign))
        self._terms = [(rate, rate == 0, *term) for rate, *term in terms if rate.any()]
        self._weights = weights
        self._scratch = np.empty(weights.shape, weights.dtype)

    @property
    def is_used(self) -> bool:
        """Return whether any model has a penalty."""
        return bool(self._terms)

    def cost(self) -> Array:
        """Return l1 * sum |w| + l2 / 2 * sum w^2 of each model, of shape (n_models,)."""
        total = np.zeros(len(self._weights), self._weights.dtype)
        for rate, free, factor, size, _ in self._terms:
            size(self._weights, out=self._scratch)
            costs = rate[:, 0] * factor * np.add.reduce(self._scratch, axis=1)
            total += np.where(free[:, 0], 0, costs)
        return total

    def add_gradient(self, gradients: Array, scale: Array | float = 1.0) -> None:
        """Add l1 * sign(w) + l2 * w, times a scale of shape (n_models, 1), to the weights' gradients."""
        for rate, free, _, _, slope in self._terms:
            slope(self._weights, out=self._scratch)
            np.multiply(self._scratch, rate * scale, out=self._scratch)
            if free.any():
                np.copyto(self._scratch, -0.0, where=free)  # adding -0.0 changes no bit, adding 0.0 turns -0.0 to 0.0
            np.add(gradients, self._scratch, out=gradients)
