"""Optimisers: how a gradient becomes a step, as in-place operations on whole parameter buffers.

An update is split in two. `coefficients` computes, for a run of steps at once and in float64, the numbers that do not
depend on the gradient, such as bias corrections; `update` then is a few vector operations that allocate nothing. All
models of a stack are updated together; their settings are columns of shape (n_models, 1).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.nn.options import Option

Array = NDArray[Any]
Settings = Mapping[str, Array]


class Buffers(NamedTuple):
    """What an update reads and writes, every array of shape (n_models, n_parameters).

    `weights` is the part of `parameters` that holds weights and no biases; `slots` is the optimiser's memory;
    `product` (n_models, 1), float64, is a running product that starts at 1.
    """

    parameters: Array
    weights: Array
    gradients: Array
    slots: tuple[Array, ...]
    scratch: Array
    product: Array


class Optimizer(NamedTuple):
    """An update rule.

    Parameters
    ----------
    coefficients : callable (settings, steps, product) -> tuple of ndarray (n_steps, n_models, 1)
        `steps` of shape (n_steps, 1, 1) counts updates from 1; `settings` holds `learning_rate` and the options.
    update : callable (buffers, *coefficients of one step)
        Change the parameters in place; may destroy the gradients.
    n_slots : int
        How many arrays of memory there are; they start at zero.
    options : mapping of str to Option
        Settings beside the learning rate.
    takes_steps : bool, default False
        Whether the gradients come multiplied by the learning rate: a factor that the backward pass applies to the
        output error at no cost, where a pass over all parameters is a fifth of the time of a step on one sample.
    """

    coefficients: Callable[[Settings, Array, Array], tuple[Array, ...]]
    update: Callable[..., object]
    n_slots: int
    options: Mapping[str, Option] = {}
    takes_steps: bool = False


def _same(*names: str) -> Callable[[Settings, Array, Array], tuple[Array, ...]]:
    """Return coefficients that are the named settings in every step."""

    def coefficients(settings: Settings, steps: Array, product: Array) -> tuple[Array, ...]:
        return tuple(settings[name] + np.zeros_like(steps) for name in names)

    return coefficients


def _sgd(b: Buffers) -> None:
    """Step: p -= lr g (Robbins and Monro, 1951), the gradients being lr g."""
    np.subtract(b.parameters, b.gradients, out=b.parameters)


def _momentum(b: Buffers, learning_rate: Array, momentum: Array) -> None:
    """Step: v = m v + g; p -= lr v (Polyak, 1964)."""
    (velocity,) = b.slots
    np.multiply(velocity, momentum, out=velocity)
    np.add(velocity, b.gradients, out=velocity)
    np.multiply(velocity, learning_rate, out=b.scratch)
    np.subtract(b.parameters, b.scratch, out=b.parameters)


def _nesterov(b: Buffers, learning_rate: Array, momentum: Array) -> None:
    """Step: v = m v + g; p -= lr (g + m v) (Nesterov, 1983; in the form of Sutskever et al., 2013)."""
    (velocity,) = b.slots
    np.multiply(velocity, momentum, out=velocity)
    np.add(velocity, b.gradients, out=velocity)
    np.multiply(velocity, momentum, out=b.scratch)
    np.add(b.scratch, b.gradients, out=b.scratch)
    np.multiply(b.scratch, learning_rate, out=b.scratch)
    np.subtract(b.parameters, b.scratch, out=b.parameters)


def _divide_by_root(b: Buffers, numerator: Array, squares: Array, epsilon: Array) -> None:
    """Write numerator / (sqrt(squares) + epsilon) into the scratch buffer."""
    np.sqrt(squares, out=b.scratch)
    np.add(b.scratch, epsilon, out=b.scratch)
    np.divide(numerator, b.scratch, out=b.scratch)


def _step_by_root(b: Buffers, numerator: Array, squares: Array, scale: Array, epsilon: Array) -> None:
    """Step: p -= scale numerator / (sqrt(squares) + epsilon)."""
    _divide_by_root(b, numerator, squares, epsilon)
    np.multiply(b.scratch, scale, out=b.scratch)
    np.subtract(b.parameters, b.scratch, out=b.parameters)


def _adagrad(b: Buffers, learning_rate: Array, epsilon: Array) -> None:
    """Step: s += g^2; p -= lr g / (sqrt(s) + eps) (Duchi et al., 2011)."""
    (squares,) = b.slots
    np.multiply(b.gradients, b.gradients, out=b.scratch)
    np.add(squares, b.scratch, out=squares)
    _step_by_root(b, b.gradients, squares, learning_rate, epsilon)


def _decay_squares(b: Buffers, squares: Array, decay: Array) -> None:
    """Accumulate squares = decay squares + g^2."""
    np.multiply(squares, decay, out=squares)
    np.multiply(b.gradients, b.gradients, out=b.scratch)
    np.add(squares, b.scratch, out=squares)


def _rmsprop_coefficients(s: Settings, steps: Array, product: Array) -> tuple[Array, ...]:
    root = np.sqrt(1 - s["decay"]) + np.zeros_like(steps)
    return s["learning_rate"] / root, s["decay"] + np.zeros_like(steps), s["epsilon"] / root


def _rmsprop(b: Buffers, scale: Array, decay: Array, epsilon: Array) -> None:
    """Step: s = d s + (1 - d) g^2; p -= lr g / (sqrt(s) + eps) (Tieleman and Hinton, 2012), s kept as s / (1 - d)."""
    (squares,) = b.slots
    _decay_squares(b, squares, decay)
    _step_by_root(b, b.gradients, squares, scale, epsilon)


def _second_moment_root(s: Settings, steps: Array) -> Array:
    """Return r such that the corrected second moment is (r sqrt(v))^2, v being kept as v / (1 - beta2)."""
    root: Array = np.sqrt((1 - s["beta2"]) / (1 - s["beta2"] ** steps))
    return root


def _adam_coefficients(s: Settings, steps: Array, product: Array) -> tuple[Array, ...]:
    root = _second_moment_root(s, steps)
    scale = s["learning_rate"] * (1 - s["beta1"]) / (1 - s["beta1"] ** steps) / root
    return scale, s["epsilon"] / root, s["beta1"] + np.zeros_like(steps), s["beta2"] + np.zeros_like(steps)


def _decay_moments(b: Buffers, beta1: Array, beta2: Array) -> None:
    """Accumulate m = b1 m + g and v = b2 v + g^2, the moments without their factors 1 - b."""
    mean, squares = b.slots
    np.multiply(mean, beta1, out=mean)
    np.add(mean, b.gradients, out=mean)
    _decay_squares(b, squares, beta2)


def _adam(b: Buffers, scale: Array, epsilon: Array, *betas: Array) -> None:
    """Step: p -= lr m' / (sqrt(v') + eps) (Kingma and Ba, 2015, Algorithm 1).

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; m' = m / (1 - b1^t); v' = v / (1 - b2^t).
    """
    mean, squares = b.slots
    _decay_moments(b, *betas)
    _step_by_root(b, mean, squares, scale, epsilon)


def _adamw_coefficients(s: Settings, steps: Array, product: Array) -> tuple[Array, ...]:
    kept = 1 - s["learning_rate"] * s["weight_decay"] + np.zeros_like(steps)
    return (kept, *_adam_coefficients(s, steps, product))


def _adamw(b: Buffers, kept: Array, *adam: Array) -> None:
    """Step: w *= 1 - lr decay for the weights, then Adam's (Loshchilov and Hutter, 2019); biases do not decay."""
    np.multiply(b.weights, kept, out=b.weights)
    _adam(b, *adam)


def _nadam_coefficients(s: Settings, steps: Array, product: Array) -> tuple[Array, ...]:
    """Return also the shares of the gradient and of the mean in a step; `product` becomes that of all mu so far."""
    now = s["beta1"] * (1 - 0.5 * 0.96 ** (steps * s["momentum_decay"]))
    following = s["beta1"] * (1 - 0.5 * 0.96 ** ((steps + 1) * s["momentum_decay"]))
    # one factor after another: the bits do not depend on where a block of steps begins
    products = np.cumprod(np.concatenate([product[np.newaxis], now]), axis=0)[1:]
    product[...] = products[-1]
    root = _second_moment_root(s, steps)
    gradient_share = s["learning_rate"] * (1 - now) / (1 - products) / root
    mean_share = s["learning_rate"] * following * (1 - s["beta1"]) / (1 - products * following) / root
    zero = np.zeros_like(steps)
    return gradient_share, mean_share, s["epsilon"] / root, s["beta1"] + zero, s["beta2"] + zero


def _nadam(b: Buffers, gradient_share: Array, mean_share: Array, epsilon: Array, *betas: Array) -> None:
    """Step: p -= lr ((1 - mu_t) g / (1 - prod mu) + mu_t+1 m / (1 - prod mu mu_t+1)) / (sqrt(v') + eps) (Dozat, 2016).

    m and v' are Adam's; mu_t = b1 (1 - 0.96^(t decay) / 2); prod mu is the product of mu_1 to mu_t.
    """
    mean, squares = b.slots
    _decay_moments(b, *betas)
    np.multiply(b.gradients, gradient_share, out=b.gradients)
    np.multiply(mean, mean_share, out=b.scratch)
    np.add(b.gradients, b.scratch, out=b.gradients)
    _divide_by_root(b, b.gradients, squares, epsilon)
    np.subtract(b.parameters, b.scratch, out=b.parameters)


def _below_one(default: float) -> Option:
    return Option(default, minimum=0, maximum=1, open_maximum=True)


_MOMENTUM = {"momentum": _below_one(0.9)}
_EPSILON = {"epsilon": Option(1e-8, minimum=0, open_minimum=True)}
_ADAM = {"beta1": _below_one(0.9), "beta2": _below_one(0.999), **_EPSILON}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_same(), _sgd, 0, takes_steps=True),
    "momentum": Optimizer(_same("learning_rate", "momentum"), _momentum, 1, _MOMENTUM),
    "nesterov": Optimizer(_same("learning_rate", "momentum"), _nesterov, 1, _MOMENTUM),
    "adagrad": Optimizer(_same("learning_rate", "epsilon"), _adagrad, 1, _EPSILON),
    "rmsprop": Optimizer(_rmsprop_coefficients, _rmsprop, 1, {"decay": _below_one(0.9), **_EPSILON}),
    "adam": Optimizer(_adam_coefficients, _adam, 2, _ADAM),
    "adamw": Optimizer(_adamw_coefficients, _adamw, 2, {**_ADAM, "weight_decay": Option(0.01, minimum=0)}),
    "nadam": Optimizer(_nadam_coefficients, _nadam, 2, {**_ADAM, "momentum_decay": Option(0.004, minimum=0)}),
}
