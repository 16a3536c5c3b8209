"""Activations: what a hidden unit does to the sum that reaches it, and how its error goes back to that sum."""

from collections.abc import Callable
from typing import NamedTuple

from plainmlp.nn.arithmetic import Array, absolute, select
from plainmlp.nn.functions import exp, expm1, log1p, sigmoid, tanh

LEAK = 0.01
SELU_SCALE = 1.0507009873554805
SELU_SCALED_ALPHA = SELU_SCALE * 1.6732632423543772
GELU_RATE = 0.7978845608028654  # sqrt(2 / pi)
GELU_CUBIC = 0.044715


class Activation(NamedTuple):
    """An activation and its slope.

    Parameters
    ----------
    function : callable (z) -> f(z)
    backward : callable (delta, z, output) -> delta f'(z)
        Takes the error of f(z) back to z; `output` is f(z).
    initializer : str
        The entry of INITIALIZERS that suits a layer feeding this activation.
    can_die : bool, default False
        Whether the slope is zero on a half line: a unit that stays there never learns again.
    """

    function: Callable[[Array], Array]
    backward: Callable[[Array, Array, Array], Array]
    initializer: str
    can_die: bool = False


def identity(z: Array) -> Array:
    """f(z) = z."""
    return z


def _identity_backward(delta: Array, z: Array, output: Array) -> Array:
    return delta


def relu(z: Array) -> Array:
    """f(z) = max(z, 0) (Nair and Hinton, 2010)."""
    return select(z < 0, 0, z)


def _relu_backward(delta: Array, z: Array, output: Array) -> Array:
    return select(z > 0, delta, 0)


def _leaky_relu(z: Array) -> Array:
    """f(z) = max(z, 0.01 z) (Maas et al., 2013)."""
    return select(z > 0, z, LEAK * z)


def _leaky_relu_backward(delta: Array, z: Array, output: Array) -> Array:
    return select(z > 0, delta, LEAK * delta)


def _elu(z: Array) -> Array:
    """f(z) = z for z > 0, else exp(z) - 1 (Clevert et al., 2016)."""
    return select(z > 0, z, expm1(z))


def _elu_backward(delta: Array, z: Array, output: Array) -> Array:
    return select(z > 0, delta, delta * (output + 1))


def _selu(z: Array) -> Array:
    """f(z) = 1.0507 z for z > 0, else 1.0507 * 1.6733 (exp(z) - 1) (Klambauer et al., 2017)."""
    return select(z > 0, SELU_SCALE * z, SELU_SCALED_ALPHA * expm1(z))


def _selu_backward(delta: Array, z: Array, output: Array) -> Array:
    return select(z > 0, SELU_SCALE * delta, delta * (output + SELU_SCALED_ALPHA))


def _sigmoid_backward(delta: Array, z: Array, output: Array) -> Array:
    return delta * (output * (1 - output))


def _tanh_backward(delta: Array, z: Array, output: Array) -> Array:
    return delta * (1 - output * output)


def softplus(z: Array) -> Array:
    """f(z) = log(1 + exp(z)), as max(z, 0) + log(1 + exp(-|z|)) (Dugas et al., 2001)."""
    return select(z > 0, z, 0) + log1p(exp(-absolute(z)))


def _softplus_backward(delta: Array, z: Array, output: Array) -> Array:
    return delta * sigmoid(z)


def _silu(z: Array) -> Array:
    """f(z) = z sigmoid(z) (Elfwing et al., 2018)."""
    return z * sigmoid(z)


def _silu_backward(delta: Array, z: Array, output: Array) -> Array:
    """Multiply by s (1 + z (1 - s)), where s = sigmoid(z): no large terms cancel."""
    s = sigmoid(z)
    return delta * (s * (1 + z * (1 - s)))


def _gelu_tanh(z: Array) -> Array:
    """Return tanh(sqrt(2 / pi) (z + 0.044715 z^3))."""
    return tanh(GELU_RATE * (z * (1 + GELU_CUBIC * (z * z))))


def _gelu(z: Array) -> Array:
    """f(z) = z (1 + t) / 2, t = tanh(sqrt(2 / pi) (z + 0.044715 z^3)) (Hendrycks and Gimpel, 2016)."""
    return z * (0.5 * (1 + _gelu_tanh(z)))


def _gelu_backward(delta: Array, z: Array, output: Array) -> Array:
    """Multiply by (1 + t) / 2 + f (1 - t) sqrt(2 / pi) (1 + 3 * 0.044715 z^2)."""
    t = _gelu_tanh(z)
    return delta * (0.5 * (1 + t) + output * ((1 - t) * (GELU_RATE + (3 * GELU_CUBIC * GELU_RATE) * (z * z))))


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(identity, _identity_backward, "glorot_uniform"),
    "relu": Activation(relu, _relu_backward, "he_normal", can_die=True),
    "leaky_relu": Activation(_leaky_relu, _leaky_relu_backward, "he_normal"),
    "elu": Activation(_elu, _elu_backward, "he_normal"),
    "selu": Activation(_selu, _selu_backward, "lecun_normal"),
    "sigmoid": Activation(sigmoid, _sigmoid_backward, "glorot_uniform"),
    "tanh": Activation(tanh, _tanh_backward, "glorot_uniform"),
    "softplus": Activation(softplus, _softplus_backward, "he_normal"),
    "silu": Activation(_silu, _silu_backward, "he_normal"),
    "gelu": Activation(_gelu, _gelu_backward, "he_normal"),
}
