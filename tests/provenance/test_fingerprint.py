import json
import os
import subprocess
import sys

import numpy as np
import pytest

from plainmlp.numerics import blas_libraries, blas_threads
from plainmlp.provenance.fingerprint import numerics_tags

PROGRAM = """
import json
from plainmlp.numerics import blas_libraries, blas_threads
from plainmlp.provenance.fingerprint import numerics_tags
with blas_threads(1):
    print(json.dumps(numerics_tags(blas_libraries(), "float64")))
"""


def here(threads: int = 1, dtype: str = "float64") -> dict[str, str]:
    with blas_threads(threads):
        return numerics_tags(blas_libraries(), dtype)


def elsewhere(program: str = PROGRAM, **variables: str) -> dict[str, str]:
    """Return the fingerprint of another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def differing(variables: dict[str, str]) -> set[str]:
    return {name for name, value in elsewhere(**variables).items() if value != here()[name]}


def test_fingerprint_says_what_computes():
    tags = here()
    names = "blas blas_version blas_kernel blas_threads simd cpu numpy python platform dtype"
    assert tags.keys() == {f"numerics.{name}" for name in names.split()}
    assert tags["numerics.numpy"] == np.__version__
    assert all(tags.values())


def test_threads_are_read_back_and_dtype_is_the_training_s():
    assert here(2)["numerics.blas_threads"] == "2"
    assert here(dtype="float32") == {**here(), "numerics.dtype": "float32"}


def test_libraries_that_are_loaded_besides_do_not_count():
    assert elsewhere("import scipy.linalg\n" + PROGRAM) == elsewhere() == here()


@pytest.mark.skipif(here()["numerics.blas"] != "openblas", reason="the kernel is chosen by OpenBLAS alone")
def test_another_kernel_is_noticed():
    other = "Sandybridge" if here()["numerics.blas_kernel"] != "Sandybridge" else "Haswell"
    assert differing({"OPENBLAS_CORETYPE": other}) == {"numerics.blas_kernel"}


@pytest.mark.skipif(" " not in here()["numerics.simd"], reason="NumPy has one SIMD level here")
def test_another_simd_level_is_noticed():
    highest = here()["numerics.simd"].split()[-1]
    assert differing({"NPY_DISABLE_CPU_FEATURES": highest}) == {"numerics.simd"}


def test_without_numpy_s_own_library_all_count():
    libraries = [
        {"filepath": f"/lib/{name}.so", "internal_api": name, "num_threads": 1, "version": None}
        for name in ("mkl", "blis")
    ]
    tags = numerics_tags(libraries, "float32")
    assert (tags["numerics.blas"], tags["numerics.blas_threads"]) == ("blis, mkl", "1")
    assert numerics_tags([], "float32")["numerics.blas"] == "none"
