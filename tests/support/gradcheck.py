"""A check of gradients by central differences along random directions: one number a direction, whatever the size."""

import numpy as np


def check_gradient(function, gradient, point, generator, *, n_directions=1, step=1e-6, tolerance=1e-6):
    """Compare a gradient at a point with central differences of the function, and show all of it where they differ.

    Parameters
    ----------
    function : callable (ndarray) -> float
    gradient, point : ndarray of one shape, float64
    generator : numpy.random.Generator
        Source of the directions, which have unit length.
    n_directions : int
    step : float
        Half the distance between the two points of a difference.
    tolerance : float
        Allowed difference, relative to the larger of 1 and the gradient's length.
    """
    assert gradient.shape == point.shape, f"the gradient has shape {gradient.shape}, the point {point.shape}"
    for _ in range(n_directions):
        direction = generator.normal(size=point.shape)
        direction /= np.linalg.norm(direction)
        numeric = (function(point + step * direction) - function(point - step * direction)) / (2 * step)
        analytic = float((gradient * direction).sum())
        allowed = tolerance * max(1.0, float(np.linalg.norm(gradient)))
        assert abs(numeric - analytic) <= allowed, f"numeric {numeric!r}, analytic {analytic!r} at {point!r}"
