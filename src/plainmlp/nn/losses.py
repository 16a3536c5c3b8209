"""Losses, each with its output link: what the last layer's sums mean, what they cost, and the error they send back.

A link and a loss are one entry, so that the simple form of the output error is a property of the entry. Arrays have the
shape (n_outputs, n_samples). The cost of a sample is summed over the outputs, in their order; the cost of a batch is
the mean over its samples.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from plainmlp.nn.activations import identity, relu, softplus
from plainmlp.nn.arithmetic import Array, absolute, select
from plainmlp.nn.functions import exp, log, sigmoid
from plainmlp.nn.options import Option


class Pointwise(NamedTuple):
    """A loss of each output by itself; every function is elementwise.

    Parameters
    ----------
    error : callable (z, target, threshold) -> d cost / d z
    cost : callable (z, target, threshold) -> what one output costs
    link : callable (z) -> the network's output
    """

    error: Callable[[Array, Array, Array], Array]
    cost: Callable[[Array, Array, Array], Array]
    link: Callable[[Array], Array]


class Loss(NamedTuple):
    """An output link with its loss.

    Parameters
    ----------
    metric : {"accuracy", "mean_squared_error"}
        What the mean of the scores is.
    tasks : tuple of str
        The tasks that this loss can be chosen for.
    pointwise : Pointwise, optional
        None for the cross-entropy alone, whose softmax goes over all outputs.
    options : mapping of str to Option
    can_die : bool, default False
        Whether the link has slope zero below zero, so that an output may never learn.
    """

    metric: str
    tasks: tuple[str, ...]
    pointwise: Pointwise | None = None
    options: Mapping[str, Option] = {}
    can_die: bool = False


class Assessment(NamedTuple):
    """What a loss says of some samples.

    Parameters
    ----------
    error : ndarray of shape (n_outputs, n_samples)
        d cost / d z.
    costs, scores : ndarray of shape (n_samples,)
        The score is 1 or 0 where classes or labels are right or wrong, and else the mean over the targets of the
        squared difference in their own units.
    """

    error: Array
    costs: Array
    scores: Array


def ordered_sum(rows: Array) -> Array:
    """Return the sum over the first axis, from 0 on in order."""
    total = np.zeros(rows.shape[1:], rows.dtype)
    for row in rows:
        total = total + row
    return total


def _shifted_exponentials(z: Array) -> tuple[Array, Array, Array]:
    """Return z less its largest of each sample, exp of that, and the sum of those."""
    largest = z[0]
    for row in z[1:]:
        largest = select(row > largest, row, largest)
    shifted = z - largest
    exponentials = exp(shifted)
    return shifted, exponentials, ordered_sum(exponentials)


def softmax(z: Array) -> Array:
    """Return exp(z) / sum exp(z) over the outputs, as exp(z - max z) times the inverse of their sum (Bridle, 1990)."""
    _, exponentials, total = _shifted_exponentials(z)
    return exponentials * (1 / total)


def _assess_classes(z: Array, classes: Array) -> Assessment:
    """Error = softmax(z) - t; cost = log(sum exp z) - z of the true class, z being shifted by its largest.

    The score is 1 where the true class has the largest; among equal ones the first counts.
    """
    shifted, exponentials, total = _shifted_exponentials(z)
    samples = np.arange(z.shape[1])
    error = exponentials * (1 / total)
    error[classes, samples] -= 1
    right = (shifted[classes, samples] == 0) & (shifted.argmax(axis=0) == classes)
    return Assessment(error, log(total) - shifted[classes, samples], right.astype(z.dtype))


def assess(loss: str, z: Array, targets: Array, threshold: Array, target_scale: Array) -> Assessment:
    """Return error, cost and score of some samples.

    Parameters
    ----------
    loss : str
        A name in LOSSES.
    z : ndarray of shape (n_outputs, n_samples)
        The last layer's sums.
    targets : ndarray
        Class indices (n_samples,) for the cross-entropy, else (n_outputs, n_samples) of z's dtype.
    threshold : scalar of z's dtype
        An option of `huber`; the others do not look at it.
    target_scale : ndarray of shape (n_outputs,)
        What undoes the targets' scaling.
    """
    entry = LOSSES[loss]
    if entry.pointwise is None:
        return _assess_classes(z, targets)
    error, costs = entry.pointwise.error(z, targets, threshold), entry.pointwise.cost(z, targets, threshold)
    if entry.metric == "accuracy":
        scores = ((z > 0) == (targets > 0.5)).all(axis=0).astype(z.dtype)
    else:
        difference = (entry.pointwise.link(z) - targets) * target_scale[:, np.newaxis]
        scores = ordered_sum(difference * difference) / z.dtype.type(len(z))
    return Assessment(error, ordered_sum(costs), scores)


def link(loss: str, z: Array) -> Array:
    """Return the outputs of a network: probabilities, or values."""
    pointwise = LOSSES[loss].pointwise
    return softmax(z) if pointwise is None else pointwise.link(z)


def _binary_cross_entropy_error(z: Array, target: Array, threshold: Array) -> Array:
    """Error = sigmoid(z) - t."""
    return sigmoid(z) - target


def _binary_cross_entropy(z: Array, target: Array, threshold: Array) -> Array:
    """Cost = log(1 + exp z) - t z, finite for any finite z."""
    return softplus(z) - target * z


def _squared_error_slope(z: Array, target: Array, threshold: Array) -> Array:
    """Error = z - t."""
    return z - target


def _squared_error(z: Array, target: Array, threshold: Array) -> Array:
    """Cost = (z - t)^2 / 2."""
    return 0.5 * ((z - target) * (z - target))


def _absolute_error_slope(z: Array, target: Array, threshold: Array) -> Array:
    """Error = sign(z - t)."""
    return select(z > target, 1, select(z < target, -1, z - target))


def _absolute_error(z: Array, target: Array, threshold: Array) -> Array:
    """Cost = |z - t|."""
    return absolute(z - target)


def _huber_slope(z: Array, target: Array, threshold: Array) -> Array:
    """Error = z - t, cut off at +-threshold."""
    difference = z - target
    upper = select(difference > threshold, threshold, difference)
    return select(upper < -threshold, -threshold, upper)


def _huber(z: Array, target: Array, threshold: Array) -> Array:
    """Cost = d^2 / 2 for |d| <= threshold, else threshold (|d| - threshold / 2), d = z - t (Huber, 1964)."""
    difference = absolute(z - target)
    near = select(difference > threshold, threshold, difference)
    return near * (difference - 0.5 * near)


def _relu_squared_error_slope(z: Array, target: Array, threshold: Array) -> Array:
    """Error = max(z, 0) - t for z > 0, else 0."""
    return select(z > 0, z - target, 0)


def _relu_squared_error(z: Array, target: Array, threshold: Array) -> Array:
    """Cost = (max(z, 0) - t)^2 / 2."""
    difference = relu(z) - target
    return 0.5 * (difference * difference)


def l1_slope(weights: Array, l1: Array) -> Array:
    """Return the slope of l1 |w|, which is 0 at 0."""
    return select(weights > 0, l1, select(weights < 0, -l1, 0 * weights))


_REGRESSION = ("mean_squared_error", ("regression",))

LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss("accuracy", ("classification",)),
    "binary_cross_entropy": Loss(
        "accuracy",
        ("multilabel", "classification"),
        Pointwise(_binary_cross_entropy_error, _binary_cross_entropy, sigmoid),
    ),
    "squared_error": Loss(*_REGRESSION, Pointwise(_squared_error_slope, _squared_error, identity)),
    "absolute_error": Loss(*_REGRESSION, Pointwise(_absolute_error_slope, _absolute_error, identity)),
    "huber": Loss(
        *_REGRESSION,
        Pointwise(_huber_slope, _huber, identity),
        {"threshold": Option(1.0, minimum=0, open_minimum=True)},
    ),
    "relu_squared_error": Loss(
        *_REGRESSION, Pointwise(_relu_squared_error_slope, _relu_squared_error, relu), can_die=True
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
