"""The matrix products of a step alone, into arrays that are there: what no library that uses them can go below."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from plainmlp.nn.batches import Batches
from plainmlp.nn.gradient import weight_product
from plainmlp.numerics import blas_threads
from speed.problem import Problem, Run, Runner


def products(problem: Problem) -> list[Callable[[], object]]:
    """Return the products that one step needs, in order, each as a call.

    They are the forward products, the weights' gradients and the errors that are sent back, in the shapes and layouts
    of ours, and in the form that ours gives them.
    """
    weights = [weight[np.newaxis] for weight in problem.layers()[0]]
    block = next(iter(Batches(problem.train, len(weights[-1][0]), problem.batch_size, 1, 1).ordered()))
    outputs = [np.full((1, weight.shape[1], problem.batch_size), 0.5, np.float32) for weight in weights]
    deltas = [np.full_like(output, 1e-3) for output in outputs]
    taken = [next(iter(block.inputs)), *outputs[:-1]]
    calls: list[Callable[[], object]] = [
        partial(np.matmul, weight, before, out=out) for weight, before, out in zip(weights, taken, outputs, strict=True)
    ]
    for layer in reversed(range(len(weights))):
        calls.append(partial(weight_product(deltas[layer], np.empty_like(weights[layer])), taken[layer]))
        if layer > 0:
            calls.append(partial(np.matmul, weights[layer].swapaxes(1, 2), deltas[layer], out=deltas[layer - 1]))
    return calls


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
