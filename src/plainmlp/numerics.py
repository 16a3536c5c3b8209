"""Numerics: the settings of the linear algebra library that can change the last bits of a result."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from plainmlp.errors import InputError


@contextmanager
def blas_threads(threads: int) -> Iterator[None]:
    """Run with a number of BLAS threads, and make sure that the library took it.

    Parameters
    ----------
    threads : int
        At least 1. Another number can change the last bits of a matrix product.

    Raises
    ------
    InputError
        The library does not take the number.
    """
    with _loaded_libraries(len(sys.modules)).limit(limits=threads, user_api="blas"):
        taken = {library["num_threads"] for library in blas_libraries()}
        if taken - {threads}:
            message = f"training.blas_threads = {threads} is not possible here: the BLAS library took {sorted(taken)}"
            raise InputError(message)
        yield


def blas_libraries() -> list[dict[str, Any]]:
    """Return what threadpoolctl says of each loaded BLAS library: version, kernel, threads."""
    return [library for library in _loaded_libraries(len(sys.modules)).info() if library["user_api"] == "blas"]


@lru_cache(1)
def _loaded_libraries(n_modules: int) -> Any:
    """Return threadpoolctl's hold on the libraries that are loaded, which takes longer to find than a small evaluation."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
