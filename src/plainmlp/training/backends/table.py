"""The backends: which library each trains with, and what of a configuration it can do."""

from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from plainmlp.system.errors import InputError
from plainmlp.system.wording import shown
from plainmlp.training.backends.backend import Peer, Start

OWN_BACKEND = "numpy"


class Backend(NamedTuple):
    """A library and what it can do as we do it.

    Parameters
    ----------
    library : str
        The module that must be there.
    extra : str
        The extra of this package that installs it.
    activations, losses, optimizers : collection of str
        Names in our tables whose formula the library has too.
    steady_optimizers : collection of str
        Those of `optimizers` that keep the learning rate in their memory, so that it must stay the same.
    free_form : bool, default True
        Whether layers may differ in activation or have no biases, and samples in weight, and l1 may be used.
    """

    library: str
    extra: str
    activations: Collection[str]
    losses: Collection[str]
    optimizers: Collection[str]
    steady_optimizers: Collection[str] = ()
    free_form: bool = True


_COMMON = ("identity", "relu", "sigmoid", "tanh")
_SMOOTH = (*_COMMON, "leaky_relu", "elu", "selu", "softplus", "silu", "gelu")
_LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")
_STEADY = ("momentum", "nesterov")

BACKENDS: dict[str, Backend] = {
    "sklearn": Backend("sklearn", "", _COMMON, _LOSSES, ("sgd", *_STEADY, "adam"), _STEADY, free_form=False),
    "torch": Backend(
        "torch",
        "torch",
        _SMOOTH,
        (*_LOSSES, "absolute_error", "huber", "relu_squared_error"),
        ("sgd", *_STEADY, "adagrad", "rmsprop", "adam", "adamw", "nadam"),
    ),
    "tensorflow": Backend("tensorflow", "tensorflow", _SMOOTH, _LOSSES, ("sgd", *_STEADY, "adam")),
    "keras": Backend("keras", "keras", _SMOOTH, _LOSSES, ("sgd", *_STEADY, "adam", "adamw"), _STEADY),
}


def make_peer(name: str, start: Start) -> Peer:
    """Return a network in the hands of a library."""
    backend = BACKENDS[name]
    if find_spec(backend.library) is None:
        message = (
            f"backend={name} needs {backend.library}, which is not installed: "
            f"pip install -e '.[{backend.extra}]' at the root of the repository"
        )
        raise InputError(message)
    peer: Peer = import_module(f"plainmlp.training.backends.{name}").PEER(start)
    return peer


def check_backend(name: str, start: Start, *, weighted: bool) -> None:
    """Refuse what a library cannot do as we do it."""
    backend, architecture, recipe = BACKENDS[name], start.architecture, start.recipe
    _check(name, "optimizer.name", recipe.optimizer, backend.optimizers)
    _check(name, "model.loss", architecture.loss, backend.losses)
    for activation in architecture.activations:
        _check(name, "model.activation", activation, backend.activations)
    _check(name, "model.dropout", recipe.dropout, (0.0,))
    _check(name, "optimizer.clip_norm", recipe.clip_norm, (float("inf"),), "null")
    if recipe.optimizer in backend.steady_optimizers:
        _check(name, f"optimizer.schedule with {recipe.optimizer}", recipe.schedule, ("constant",))
    if not backend.free_form:
        _check_form(name, start, weighted)


def _check_form(name: str, start: Start, weighted: bool) -> None:
    activations = list(start.architecture.activations)
    _check(name, "model.activation", activations, (activations[:1] * len(activations),), "one for all layers")
    _check(name, "model.bias", start.architecture.bias, (True,), "true")
    _check(name, "model.l1", start.recipe.l1, (0.0,))
    _check(name, "sample or class weights", weighted, (False,), "none")


def _check(name: str, key: str, value: object, allowed: Collection[object], words: str = "") -> None:
    if value not in allowed:
        words = words or ", ".join(map(str, allowed))
        message = f"{key}={shown(value)} is not possible with backend={name}; it must be {words}"
        raise InputError(message)
