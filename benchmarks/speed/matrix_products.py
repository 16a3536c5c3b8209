"""The matrix products of a step alone, into arrays that are there: what no library that uses them can go below."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from plainmlp.numerics import blas_threads
from speed.problem import Array, Problem, Run, Runner


def products(problem: Problem) -> list[Callable[[], object]]:
    """Return the products that one step needs, in order, each as a call.

    They are the forward products, the weights' gradients and the errors that are sent back, in the shapes and layouts
    of ours: units first, with an axis for the models.
    """
    (weights, _), size = problem.layers(), problem.batch_size
    stacked = [weight[np.newaxis] for weight in weights]
    inputs = np.ascontiguousarray(problem.train.inputs[:size])[np.newaxis].swapaxes(1, 2)
    outputs = [np.full((1, len(weight), size), 0.5, np.float32) for weight in weights]
    deltas = [np.full_like(output, 1e-3) for output in outputs]
    gradients = [np.empty_like(weight) for weight in stacked]
    taken = [inputs, *outputs[:-1]]
    forward = [_product(weight, before, out) for weight, before, out in zip(stacked, taken, outputs, strict=True)]
    backward = []
    for layer in reversed(range(len(weights))):
        backward.append(_product(deltas[layer], taken[layer].swapaxes(1, 2), gradients[layer]))
        if layer > 0:
            backward.append(_product(stacked[layer].swapaxes(1, 2), deltas[layer], deltas[layer - 1]))
    return [*forward, *backward]


def _product(left: Array, right: Array, out: Array) -> Callable[[], object]:
    return partial(np.matmul, left, right, out=out)


def matrix_products(problem: Problem) -> Runner:
    """Return a runner of the products of as many steps as a training has."""
    calls = products(problem)

    def run(n_epochs: int) -> Run:
        with blas_threads(problem.config.training.blas_threads):
            start = time.perf_counter()
            for _ in range((n_epochs - 1) * problem.steps):
                for call in calls:
                    call()
            return Run(time.perf_counter() - start, [])

    return run
