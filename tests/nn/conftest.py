import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread():
    """Several threads may change the last bits of a product, and the tests compare bits."""
    with threadpool_limits(limits=1):
        yield
