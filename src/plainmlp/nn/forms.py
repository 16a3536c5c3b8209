"""The two forms of the core: plain NumPy, which defines every bit, and compiled code, which has the same bits sooner."""

import sys
from functools import cache
from importlib import import_module
from typing import Literal

from plainmlp.nn.descent import Descent, PlainDescent, Start

Compiled = Literal["auto"] | bool


def start_descent(compiled: Compiled, start: Start) -> Descent:
    """Return a network and its optimiser in one of the two forms.

    Parameters
    ----------
    compiled : "auto" or bool
        True takes the compiled form and False the plain one; "auto" takes the compiled one if Numba is there and works,
        else it says on stderr, once, that the plain one is used.
    start : Start

    Raises
    ------
    ImportError
        `compiled` is True and Numba is missing or does not work; the message says which.
    """
    problem = compiled_problem() if compiled else ""
    if compiled is True and problem:
        raise ImportError(problem)
    if not compiled or problem:
        return PlainDescent(start)
    from plainmlp.nn.compiled.descent import CompiledDescent

    _announce_compilation()
    return CompiledDescent(start)


@cache
def _announce_compilation() -> None:
    """Say that the kernels are compiled first, where none is kept; a process looks for them once."""
    from plainmlp.nn.compiled.cache import is_filled

    if not is_filled():
        sys.stderr.write("compiling the kernels for this processor (once; less than a minute a dtype)\n")


@cache
def compiled_problem() -> str:
    """Return why the compiled form cannot be used here, which is said on stderr too; empty if it can."""
    try:
        import_module("plainmlp.nn.compiled.descent")
    except ModuleNotFoundError as error:
        problem = f"{error.name} is not installed"
    except Exception as error:  # noqa: BLE001 - whatever a compiler can raise, NumPy trains all the same
        problem = f"Numba does not work here ({type(error).__name__}: {' '.join(str(error).split())})"
    else:
        return ""
    sys.stderr.write(f"warning: {problem}; plain NumPy trains, with the same bits, more slowly\n")
    return problem
