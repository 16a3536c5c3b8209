"""The elementwise functions of the definition, made callable with vectors: their source is compiled as it stands."""

from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from numba import types
from numba.extending import overload, register_jitable

from plainmlp.nn import activations, functions, losses, optimizers
from plainmlp.nn.compiled.lanes import Lanes


def _offer(module: ModuleType) -> None:
    """Let compiled code call what a module defines; nothing is compiled before it is called."""
    for function in vars(module).values():
        if isinstance(function, FunctionType) and function.__module__ == module.__name__ and function not in _CHOSEN:
            register_jitable(function)


def _choose(either: Callable[..., Any], single: Callable[..., Any], double: Callable[..., Any]) -> None:
    """Let compiled code call one of two forms, by the numbers in the lanes."""

    @overload(either, strict=False)
    def _chosen(x: Any) -> Any:
        if not isinstance(x, Lanes):
            return None
        return (lambda x: single(x)) if x.element is types.float32 else (lambda x: double(x))


_CHOSEN = {entry.either for entry in functions.FUNCTIONS.values()}
for _entry in functions.FUNCTIONS.values():
    _choose(*_entry)
for _module in (functions, activations, losses, optimizers):
    _offer(_module)
