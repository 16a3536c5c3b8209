"""Multilayer perceptrons in plain NumPy, inside a pipeline whose every result can be traced and reproduced."""

from importlib import import_module
from typing import Any

_HOMES = {
    "Architecture": "plainmlp.nn.architecture",
    "Examples": "plainmlp.nn.batches",
    "MLP": "plainmlp.estimators.network",
    "MLPClassifier": "plainmlp.estimators.classifier",
    "MLPRegressor": "plainmlp.estimators.regressor",
    "Recipe": "plainmlp.nn.recipe",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that nobody waits for a library that he does not use."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return what can be imported from here."""
    return [*globals(), *_HOMES]
