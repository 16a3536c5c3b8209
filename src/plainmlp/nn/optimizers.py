"""Optimisers: how a gradient becomes a step.

An update is split in two. `coefficients` computes, for a run of steps at once and in float64, the numbers that do not
depend on the gradient, such as bias corrections; `update` is elementwise in the parameters, the gradient and the
optimiser's memory, with the coefficients of one step, rounded to the network's dtype.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import Array, square_root, whole_power
from plainmlp.nn.functions import exp, log
from plainmlp.nn.options import Option

CHUNK = 4096  # steps
Settings = Mapping[str, float]
Columns = Sequence[Array | float]


class Optimizer(NamedTuple):
    """An update rule.

    Parameters
    ----------
    coefficients : callable (settings, steps, product) -> (columns, product)
        `steps` (n_steps,) counts updates from 1, `settings` holds `learning_rate` and the options, and `product` is the
        running product before the first step, and after the last. A column has a coefficient of each step (n_steps,),
        or is one number for all. All float64.
    update : callable (parameters, gradients, *slots, *coefficients) -> (parameters, *slots)
    n_slots : int
        How many arrays of memory there are; they start at zero.
    options : mapping of str to Option
        Settings beside the learning rate.
    decays_weights : bool, default False
        Whether the last coefficient multiplies the weights, and not the biases, before the update, which does not
        take it.
    """

    coefficients: Callable[[Settings, Array, float], tuple[Columns, float]]
    update: Callable[..., tuple[Array, ...]]
    n_slots: int
    options: Mapping[str, Option] = {}
    decays_weights: bool = False


def _same(*names: str) -> Callable[[Settings, Array, float], tuple[Columns, float]]:
    """Return coefficients that are the named settings in every step."""
    return lambda s, steps, product: ([s[name] for name in names], product)


def sgd(p: Array, g: Array, learning_rate: Array) -> tuple[Array]:
    """Step: p -= lr g (Robbins and Monro, 1951)."""
    return (p - learning_rate * g,)


def momentum(p: Array, g: Array, velocity: Array, learning_rate: Array, share: Array) -> tuple[Array, Array]:
    """Step: v = m v + g; p -= lr v (Polyak, 1964)."""
    velocity = share * velocity + g
    return p - learning_rate * velocity, velocity


def nesterov(p: Array, g: Array, velocity: Array, learning_rate: Array, share: Array) -> tuple[Array, Array]:
    """Step: v = m v + g; p -= lr (g + m v) (Nesterov, 1983; in the form of Sutskever et al., 2013)."""
    velocity = share * velocity + g
    return p - learning_rate * (share * velocity + g), velocity


def adagrad(p: Array, g: Array, squares: Array, learning_rate: Array, epsilon: Array) -> tuple[Array, Array]:
    """Step: s += g^2; p -= lr g / (sqrt(s) + eps) (Duchi et al., 2011)."""
    squares = squares + g * g
    return p - learning_rate * (g / (square_root(squares) + epsilon)), squares


def _rmsprop_coefficients(s: Settings, steps: Array, product: float) -> tuple[Columns, float]:
    root = np.sqrt(1 - s["decay"])
    return (s["learning_rate"] / root, s["decay"], s["epsilon"] / root), product


def rmsprop(p: Array, g: Array, squares: Array, scale: Array, decay: Array, epsilon: Array) -> tuple[Array, Array]:
    """Step: s = d s + (1 - d) g^2; p -= lr g / (sqrt(s) + eps) (Tieleman and Hinton, 2012), s kept as s / (1 - d)."""
    squares = decay * squares + g * g
    return p - scale * (g / (square_root(squares) + epsilon)), squares


@lru_cache(maxsize=8)
def _powers_of_chunk(base: float, chunk: int) -> Array:
    return whole_power(base, np.arange(chunk * CHUNK, (chunk + 1) * CHUNK))


def _powers(base: float, steps: Array) -> Array:
    """Return base^t of steps t, one after another; those of many steps are computed at once, and kept."""
    first, last = int(steps[0]), int(steps[-1])
    chunks = range(first // CHUNK, last // CHUNK + 1)
    pieces = [_powers_of_chunk(base, c)[max(0, first - c * CHUNK) : last + 1 - c * CHUNK] for c in chunks]
    return np.concatenate(pieces)


def _second_moment_root(s: Settings, steps: Array) -> Array:
    """Return r such that the corrected second moment is (r sqrt(v))^2, v being kept as v / (1 - beta2)."""
    root: Array = np.sqrt((1 - s["beta2"]) / (1 - _powers(s["beta2"], steps)))
    return root


def _adam_coefficients(s: Settings, steps: Array, product: float) -> tuple[Columns, float]:
    root = _second_moment_root(s, steps)
    scale = s["learning_rate"] * (1 - s["beta1"]) / (1 - _powers(s["beta1"], steps)) / root
    return (scale, s["epsilon"] / root, s["beta1"], s["beta2"]), product


def adam(
    p: Array, g: Array, mean: Array, squares: Array, scale: Array, epsilon: Array, beta1: Array, beta2: Array
) -> tuple[Array, Array, Array]:
    """Step: p -= lr m' / (sqrt(v') + eps) (Kingma and Ba, 2015, Algorithm 1).

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; m' = m / (1 - b1^t); v' = v / (1 - b2^t). The moments are kept
    without their factors 1 - b.
    """
    mean = beta1 * mean + g
    squares = beta2 * squares + g * g
    return p - scale * (mean / (square_root(squares) + epsilon)), mean, squares


def _adamw_coefficients(s: Settings, steps: Array, product: float) -> tuple[Columns, float]:
    """Return Adam's, and the factor 1 - lr decay of the weights (Loshchilov and Hutter, 2019)."""
    columns, _ = _adam_coefficients(s, steps, product)
    return (*columns, 1 - s["learning_rate"] * s["weight_decay"]), product


def _nadam_coefficients(s: Settings, steps: Array, product: float) -> tuple[Columns, float]:
    """Return also the shares of the gradient and of the mean in a step."""
    now, following = (
        s["beta1"] * (1 - 0.5 * exp(log(np.array([0.96])) * (when * s["momentum_decay"])))
        for when in (steps, steps + 1)
    )
    products = np.multiply.accumulate(np.concatenate([[product], now]))[1:]  # one factor after another
    root = _second_moment_root(s, steps)
    gradient_share = s["learning_rate"] * (1 - now) / (1 - products) / root
    mean_share = s["learning_rate"] * following * (1 - s["beta1"]) / (1 - products * following) / root
    return (gradient_share, mean_share, s["epsilon"] / root, s["beta1"], s["beta2"]), float(products[-1])


def nadam(
    p: Array,
    g: Array,
    mean: Array,
    squares: Array,
    gradient_share: Array,
    mean_share: Array,
    epsilon: Array,
    beta1: Array,
    beta2: Array,
) -> tuple[Array, Array, Array]:
    """Step: p -= lr ((1 - mu_t) g / (1 - prod mu) + mu_t+1 m / (1 - prod mu mu_t+1)) / (sqrt(v') + eps) (Dozat, 2016).

    m and v' are Adam's; mu_t = b1 (1 - 0.96^(t decay) / 2); prod mu is the product of mu_1 to mu_t.
    """
    mean = beta1 * mean + g
    squares = beta2 * squares + g * g
    return p - (gradient_share * g + mean_share * mean) / (square_root(squares) + epsilon), mean, squares


def _below_one(default: float) -> Option:
    return Option(default, minimum=0, maximum=1, open_maximum=True)


_MOMENTUM = {"momentum": _below_one(0.9)}
_EPSILON = {"epsilon": Option(1e-8, minimum=0, open_minimum=True)}
_ADAM = {"beta1": _below_one(0.9), "beta2": _below_one(0.999), **_EPSILON}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(_same("learning_rate"), sgd, 0),
    "momentum": Optimizer(_same("learning_rate", "momentum"), momentum, 1, _MOMENTUM),
    "nesterov": Optimizer(_same("learning_rate", "momentum"), nesterov, 1, _MOMENTUM),
    "adagrad": Optimizer(_same("learning_rate", "epsilon"), adagrad, 1, _EPSILON),
    "rmsprop": Optimizer(_rmsprop_coefficients, rmsprop, 1, {"decay": _below_one(0.9), **_EPSILON}),
    "adam": Optimizer(_adam_coefficients, adam, 2, _ADAM),
    "adamw": Optimizer(
        _adamw_coefficients, adam, 2, {**_ADAM, "weight_decay": Option(0.01, minimum=0)}, decays_weights=True
    ),
    "nadam": Optimizer(_nadam_coefficients, nadam, 2, {**_ADAM, "momentum_decay": Option(0.004, minimum=0)}),
}
