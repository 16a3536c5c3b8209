"""Losses, each with its output link: what the last layer's sums mean, what they cost, and the error they send back.

A link and a loss are one entry, so that the simple form of the output error is a property of the entry. All functions
work on arrays of shape (..., n_outputs, n_batch); `row` is a buffer of shape (..., 1, n_batch). The cost of a sample is
summed over the outputs; the cost of a batch is the mean over its samples.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.activations import sigmoid
from plainmlp.nn.options import Option

Array = NDArray[Any]


class Marks(NamedTuple):
    """Buffers for what a loss says of each sample.

    Parameters
    ----------
    scratch : ndarray of shape (..., n_outputs, n_batch), contiguous
    costs, scores : ndarray of shape (..., n_batch)
    """

    scratch: Array
    costs: Array
    scores: Array


class Loss(NamedTuple):
    """An output link with its loss, as operations on given buffers.

    Parameters
    ----------
    error : callable (z, targets, delta, row, **options)
        Write d cost / d z into `delta`; may shift `z` and fill `row`, which `mark` then reads.
    mark : callable (z, targets, row, scale, marks, **options)
        Write what each sample costs and how well it is met into `marks`, from `z` and `row` as `error` left them;
        `scale` (n_out, 1) undoes the targets' scaling.
    link : callable (z, row)
        Turn `z` into the network's outputs, in place.
    metric : {"accuracy", "mean_squared_error"}
        What the mean of the scores is.
    tasks : tuple of str
        The tasks that this loss can be chosen for.
    options : mapping of str to Option
    can_die : bool, default False
        Whether the link has slope zero below zero, so that an output may never learn.
    """

    error: Callable[..., object]
    mark: Callable[..., object]
    link: Callable[[Array, Array], object]
    metric: str
    tasks: tuple[str, ...]
    options: Mapping[str, Option] = {}
    can_die: bool = False


def _shifted_exponentials(z: Array, out: Array, row: Array) -> None:
    """Shift z so that its largest is 0, write exp(z) into `out` and the sum of those into `row`."""
    np.maximum.reduce(z, axis=-2, keepdims=True, out=row)
    np.subtract(z, row, out=z)
    np.exp(z, out=out)
    np.add.reduce(out, axis=-2, keepdims=True, out=row)


def _softmax(z: Array, row: Array) -> None:
    _shifted_exponentials(z, z, row)
    np.divide(z, row, out=z)


def _cross_entropy_error(z: Array, targets: Array, delta: Array, row: Array) -> None:
    """Error = softmax(z) - t (Bridle, 1990)."""
    _shifted_exponentials(z, delta, row)
    np.divide(delta, row, out=delta)
    np.subtract(delta, targets, out=delta)


def _mark_cross_entropy(z: Array, targets: Array, row: Array, scale: Array | float, marks: Marks) -> None:
    """Cost = log(sum exp z) - z of the true class, with z shifted by its largest; score 1 where that class has it.

    Among equal ones the first counts, as in argmax.
    """
    np.multiply(z, targets, out=marks.scratch)
    np.add.reduce(marks.scratch, axis=-2, out=marks.scores)
    np.log(row[..., 0, :], out=marks.costs)
    np.subtract(marks.costs, marks.scores, out=marks.costs)
    if _largest_are_single(z, marks):
        np.equal(marks.scores, 0, out=marks.scores)
    else:
        largest_is_true = z.argmax(axis=-2) == targets.argmax(axis=-2)
        np.copyto(marks.scores, largest_is_true & ~np.isnan(marks.scores))


def _largest_are_single(z: Array, marks: Marks) -> bool:
    """Say whether all of z but one of each sample are below zero, the largest; not where any is not a number."""
    is_below = marks.scratch.reshape(-1).view(np.bool_)[: z.size].reshape(z.shape)
    np.less(z, 0, out=is_below)
    return bool(np.count_nonzero(is_below) == z.size - marks.scores.size)


def _sigmoid(z: Array, row: Array) -> None:
    sigmoid(z, z)


def _binary_cross_entropy_error(z: Array, targets: Array, delta: Array, row: Array) -> None:
    """Error = sigmoid(z) - t."""
    sigmoid(z, delta)
    np.subtract(delta, targets, out=delta)


def _mark_binary_cross_entropy(z: Array, targets: Array, row: Array, scale: Array | float, marks: Marks) -> None:
    """Cost = sum of log(1 + exp z) - t z, as max(z, 0) + log(1 + exp(-|z|)) - t z, finite for any z.

    Score 1 where every output is on its target's side of one half.
    """
    costs = np.maximum(z, 0) + np.log1p(np.exp(-np.absolute(z))) - targets * z
    np.add.reduce(costs, axis=-2, out=marks.costs)
    np.copyto(marks.scores, ((z > 0) == (targets > 0.5)).all(axis=-2))


def _identity(z: Array, row: Array) -> None:
    """Leave `z` as it is."""


def _squared_error_delta(z: Array, targets: Array, delta: Array, row: Array) -> None:
    """Error = z - t."""
    np.subtract(z, targets, out=delta)


def _squared_error(z: Array, targets: Array, marks: Marks) -> None:
    """Cost = sum of (z - t)^2 / 2."""
    np.subtract(z, targets, out=marks.scratch)
    np.multiply(marks.scratch, marks.scratch, out=marks.scratch)
    np.add.reduce(marks.scratch, axis=-2, out=marks.costs)
    np.multiply(marks.costs, 0.5, out=marks.costs)


def _absolute_error_delta(z: Array, targets: Array, delta: Array, row: Array) -> None:
    """Error = sign(z - t)."""
    np.subtract(z, targets, out=delta)
    np.sign(delta, out=delta)


def _absolute_error(z: Array, targets: Array, marks: Marks) -> None:
    """Cost = sum of |z - t|."""
    np.subtract(z, targets, out=marks.scratch)
    np.absolute(marks.scratch, out=marks.scratch)
    np.add.reduce(marks.scratch, axis=-2, out=marks.costs)


def _huber_delta(z: Array, targets: Array, delta: Array, row: Array, *, threshold: float) -> None:
    """Error = z - t, cut off at +-threshold."""
    np.subtract(z, targets, out=delta)
    np.minimum(delta, threshold, out=delta)
    np.maximum(delta, -threshold, out=delta)


def _huber(z: Array, targets: Array, marks: Marks, *, threshold: float) -> None:
    """Cost = sum of d^2 / 2 for |d| <= threshold, else threshold (|d| - threshold / 2), d = z - t (Huber, 1964)."""
    difference = np.absolute(z - targets)
    near = np.minimum(difference, threshold)
    np.add.reduce(near * (difference - near / 2), axis=-2, out=marks.costs)


def _relu(z: Array, row: Array) -> None:
    np.maximum(z, 0, out=z)


def _relu_squared_error_delta(z: Array, targets: Array, delta: Array, row: Array) -> None:
    """Error = max(z, 0) - t for z > 0, else 0."""
    np.maximum(z, 0, out=z)
    np.subtract(z, targets, out=delta)
    np.multiply(delta, z > 0, out=delta)


def _mark_differences(cost: Callable[..., object]) -> Callable[..., object]:
    """Return the marks of a regression: its cost, and as score the mean of (z - t)^2 in the targets' own units."""

    def mark(z: Array, targets: Array, row: Array, scale: Array | float, marks: Marks, **options: float) -> None:
        cost(z, targets, marks, **options)
        np.subtract(z, targets, out=marks.scratch)
        np.multiply(marks.scratch, scale, out=marks.scratch)
        np.multiply(marks.scratch, marks.scratch, out=marks.scratch)
        np.add.reduce(marks.scratch, axis=-2, out=marks.scores)
        np.divide(marks.scores, z.shape[-2], out=marks.scores)

    return mark


_REGRESSION = ("mean_squared_error", ("regression",))

LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(_cross_entropy_error, _mark_cross_entropy, _softmax, "accuracy", ("classification",)),
    "binary_cross_entropy": Loss(
        _binary_cross_entropy_error,
        _mark_binary_cross_entropy,
        _sigmoid,
        "accuracy",
        ("multilabel", "classification"),
    ),
    "squared_error": Loss(_squared_error_delta, _mark_differences(_squared_error), _identity, *_REGRESSION),
    "absolute_error": Loss(_absolute_error_delta, _mark_differences(_absolute_error), _identity, *_REGRESSION),
    "huber": Loss(
        _huber_delta,
        _mark_differences(_huber),
        _identity,
        *_REGRESSION,
        {"threshold": Option(1.0, minimum=0, open_minimum=True)},
    ),
    "relu_squared_error": Loss(
        _relu_squared_error_delta, _mark_differences(_squared_error), _relu, *_REGRESSION, can_die=True
    ),
}


def recorded_metrics(name: str, *, has_validation: bool = True) -> tuple[str, ...]:
    """Return the metrics that a training with a loss records and that early stopping can monitor.

    Parameters
    ----------
    name : str
        A name in LOSSES.
    has_validation : bool, default True
        Whether there are validation examples.
    """
    metric = LOSSES[name].metric
    validation = ("validation_loss", f"validation_{metric}") if has_validation else ()
    return ("train_loss", f"train_{metric}", *validation, "gradient_norm", "dead_units")


def default_loss(task: str) -> str:
    """Return the loss that `auto` stands for: the first of LOSSES that is made for the task."""
    return next(name for name, loss in LOSSES.items() if loss.tasks[0] == task)
