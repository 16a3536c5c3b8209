import pytest
from threadpoolctl import threadpool_limits

from configurations import refusal
from plainmlp.numerics import blas_libraries, blas_threads


def threads() -> set[int]:
    return {library["num_threads"] for library in blas_libraries()}


def test_number_is_set_read_back_and_restored():
    with threadpool_limits(limits=2, user_api="blas"):
        with blas_threads(1):
            assert threads() == {1}
            with blas_threads(2):
                assert threads() == {2}
            assert threads() == {1}
        assert threads() == {2}


def test_number_is_restored_after_an_error():
    before = threads()
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        raise ZeroDivisionError
    assert threads() == before


def test_number_that_the_library_does_not_take_is_refused():
    def body() -> None:
        with blas_threads(100_000):
            raise AssertionError

    before = threads()
    assert refusal(body).startswith("training.blas_threads = 100000 is not possible here: the BLAS library took [")
    assert threads() == before


def test_library_is_described():
    assert blas_libraries()
    assert all({"version", "num_threads"} <= library.keys() for library in blas_libraries())
