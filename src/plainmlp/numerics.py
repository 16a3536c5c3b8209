"""Numerics: the settings of the linear algebra library that can change the last bits of a result."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads, user_api="blas"):
        taken = {library["num_threads"] for library in blas_libraries()}
        if taken - {threads}:
            message = f"training.blas_threads = {threads} is not possible here: the BLAS library took {sorted(taken)}"
            raise InputError(message)
        yield


def blas_libraries() -> list[dict[str, Any]]:
    """Return what threadpoolctl says of each loaded BLAS library: version, kernel, threads."""
    from threadpoolctl import threadpool_info

    return [library for library in threadpool_info() if library["user_api"] == "blas"]
