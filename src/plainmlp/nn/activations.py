"""Activations: what a hidden unit does to the sum that reaches it, and the slope of that."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LEAK = 0.01
SELU_SCALE = 1.0507009873554805
SELU_SCALED_ALPHA = SELU_SCALE * 1.6732632423543772
GELU_RATE = 0.7978845608028654  # sqrt(2 / pi)
GELU_CUBIC = 0.044715
SIGN_SIZE = 1 << 13  # np.sign is not vectorised: from this size on, a comparison that is cast to numbers is faster


class Activation(NamedTuple):
    """An activation and its slope, as operations on given buffers that allocate nothing.

    Parameters
    ----------
    apply : callable (z, out, scratch)
        Write f(z) into `out`. Where `from_output` holds, `out` may be `z` itself.
    multiply_slope : callable (delta, z, out, scratch)
        Multiply `delta` by f'(z) in place, given z and out = f(z); may destroy `z`, `out` and `scratch`.
    initializer : str
        The entry of INITIALIZERS that suits a layer feeding this activation.
    from_output : bool, default True
        Whether the slope is computed from f(z) alone, so that z need not be kept.
    can_die : bool, default False
        Whether there is a half line on which the slope is zero: a unit that stays there never learns again.
    """

    apply: Callable[[Array, Array, Array], object]
    multiply_slope: Callable[[Array, Array, Array, Array], object]
    initializer: str
    from_output: bool = True
    can_die: bool = False


def _identity(z: Array, out: Array, scratch: Array) -> None:
    if out is not z:
        np.copyto(out, z)


def _identity_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    """Leave `delta` as it is: f'(z) = 1."""


def _relu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = max(z, 0) (Nair and Hinton, 2010)."""
    scratch.fill(0)  # beside an array, maximum is vectorised; beside a number it takes five times as long
    np.maximum(z, scratch, out=out)


def _relu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    if out.size < SIGN_SIZE:
        np.sign(out, out=scratch)  # f(z) is never negative, so its sign is the slope
    else:
        np.greater(out, 0, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _leaky_relu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = max(z, 0.01 z) (Maas et al., 2013)."""
    np.multiply(z, LEAK, out=scratch)
    np.maximum(z, scratch, out=out)


def _leaky_relu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.sign(out, out=scratch)
    np.maximum(scratch, LEAK, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _elu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = z for z > 0, else exp(z) - 1 (Clevert et al., 2016)."""
    np.minimum(z, 0, out=scratch)
    np.expm1(scratch, out=scratch)
    np.maximum(z, 0, out=out)
    np.add(out, scratch, out=out)


def _elu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.minimum(out, 0, out=scratch)
    np.add(scratch, 1, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _selu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = 1.0507 z for z > 0, else 1.0507 * 1.6733 (exp(z) - 1) (Klambauer et al., 2017)."""
    np.minimum(z, 0, out=scratch)
    np.expm1(scratch, out=scratch)
    np.multiply(scratch, SELU_SCALED_ALPHA, out=scratch)
    np.maximum(z, 0, out=out)
    np.multiply(out, SELU_SCALE, out=out)
    np.add(out, scratch, out=out)


def _selu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.sign(out, out=scratch)
    np.maximum(scratch, 0, out=scratch)
    np.multiply(scratch, SELU_SCALE - SELU_SCALED_ALPHA, out=scratch)
    np.minimum(out, 0, out=out)
    np.add(out, SELU_SCALED_ALPHA, out=out)
    np.add(scratch, out, out=scratch)
    np.multiply(delta, scratch, out=delta)


def sigmoid(z: Array, out: Array) -> None:
    """Write 1 / (1 + exp(-z)) into `out`, which may be `z`.

    Notes
    -----
    Computed as (1 + tanh(z / 2)) / 2: it overflows nowhere, and tanh is vectorised.
    """
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)


def _sigmoid(z: Array, out: Array, scratch: Array) -> None:
    sigmoid(z, out)


def _sigmoid_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.subtract(1, out, out=scratch)
    np.multiply(scratch, out, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _tanh(z: Array, out: Array, scratch: Array) -> None:
    np.tanh(z, out=out)


def _tanh_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.multiply(out, out, out=scratch)
    np.subtract(1, scratch, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _softplus(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = log(1 + exp(z)), as max(z, 0) + log(1 + exp(-|z|)) (Dugas et al., 2001)."""
    np.absolute(z, out=scratch)
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    np.log1p(scratch, out=scratch)
    np.maximum(z, 0, out=out)
    np.add(out, scratch, out=out)


def _softplus_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    np.negative(out, out=scratch)  # sigmoid(z) = 1 - exp(-f(z))
    np.expm1(scratch, out=scratch)
    np.negative(scratch, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _silu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = z sigmoid(z) (Elfwing et al., 2018)."""
    sigmoid(z, scratch)
    np.multiply(z, scratch, out=out)


def _silu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    """Multiply by s (1 + z (1 - s)), where s = sigmoid(z): no large terms cancel."""
    sigmoid(z, scratch)
    np.subtract(1, scratch, out=out)
    np.multiply(out, z, out=out)
    np.add(out, 1, out=out)
    np.multiply(scratch, out, out=scratch)
    np.multiply(delta, scratch, out=delta)


def _gelu_tanh(z: Array, scratch: Array) -> None:
    """Write tanh(sqrt(2 / pi) (z + 0.044715 z^3)) into `scratch`."""
    np.multiply(z, z, out=scratch)
    np.multiply(scratch, GELU_CUBIC, out=scratch)
    np.add(scratch, 1, out=scratch)
    np.multiply(scratch, z, out=scratch)
    np.multiply(scratch, GELU_RATE, out=scratch)
    np.tanh(scratch, out=scratch)


def _gelu(z: Array, out: Array, scratch: Array) -> None:
    """f(z) = z (1 + t) / 2, t = tanh(sqrt(2 / pi) (z + 0.044715 z^3)) (Hendrycks and Gimpel, 2016)."""
    _gelu_tanh(z, scratch)
    np.add(scratch, 1, out=scratch)
    np.multiply(scratch, 0.5, out=scratch)
    np.multiply(z, scratch, out=out)


def _gelu_slope(delta: Array, z: Array, out: Array, scratch: Array) -> None:
    """Multiply by (1 + t) / 2 + f (1 - t) sqrt(2 / pi) (1 + 3 * 0.044715 z^2)."""
    _gelu_tanh(z, scratch)
    np.multiply(z, z, out=z)
    np.multiply(z, 3 * GELU_CUBIC * GELU_RATE, out=z)
    np.add(z, GELU_RATE, out=z)
    np.multiply(out, z, out=out)
    np.subtract(1, scratch, out=z)
    np.multiply(out, z, out=out)
    np.add(scratch, 1, out=scratch)
    np.multiply(scratch, 0.5, out=scratch)
    np.add(scratch, out, out=scratch)
    np.multiply(delta, scratch, out=delta)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(_identity, _identity_slope, "glorot_uniform"),
    "relu": Activation(_relu, _relu_slope, "he_normal", can_die=True),
    "leaky_relu": Activation(_leaky_relu, _leaky_relu_slope, "he_normal"),
    "elu": Activation(_elu, _elu_slope, "he_normal"),
    "selu": Activation(_selu, _selu_slope, "lecun_normal"),
    "sigmoid": Activation(_sigmoid, _sigmoid_slope, "glorot_uniform"),
    "tanh": Activation(_tanh, _tanh_slope, "glorot_uniform"),
    "softplus": Activation(_softplus, _softplus_slope, "he_normal"),
    "silu": Activation(_silu, _silu_slope, "he_normal", from_output=False),
    "gelu": Activation(_gelu, _gelu_slope, "he_normal", from_output=False),
}
