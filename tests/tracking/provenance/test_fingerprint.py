import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import threadpoolctl

from plainmlp.tracking.provenance import fingerprint
from plainmlp.tracking.provenance.fingerprint import numerics_tags

PROGRAM = """
import json
from plainmlp.tracking.provenance.fingerprint import numerics_tags
print(json.dumps(numerics_tags(1, "float64")))
"""


def here(threads: int = 1, dtype: str = "float64") -> dict[str, str]:
    return numerics_tags(threads, dtype)


def elsewhere(program: str = PROGRAM, **variables: str) -> dict[str, str]:
    """Return the fingerprint of another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def differing(variables: dict[str, str]) -> set[str]:
    return {name for name, value in elsewhere(**variables).items() if value != here()[name]}


def test_fingerprint_says_what_computes():
    tags = here()
    names = "blas blas_version blas_kernel numba simd cpu numpy python platform threads dtype"
    assert tags.keys() == {f"numerics.{name}" for name in names.split()}
    assert tags["numerics.numpy"] == np.__version__
    assert all(tags.values())


def test_threads_and_dtype_are_the_training_s():
    assert here(2, "float32") == {**here(), "numerics.threads": "2", "numerics.dtype": "float32"}


def test_numba_is_named_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(fingerprint, "version", {"numba": "0.61.2"}.__getitem__)
    assert here()["numerics.numba"] == "0.61.2"

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(fingerprint, "version", missing)
    assert here()["numerics.numba"] == "none"


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


def test_without_numpy_s_own_library_all_count(monkeypatch):
    libraries = [
        {"filepath": f"/lib/{name}.so", "user_api": api, "internal_api": name, "version": None}
        for name, api in (("mkl", "blas"), ("blis", "blas"), ("libgomp", "openmp"))
    ]
    for found, name in ((libraries, "blis, mkl"), ([], "none")):
        monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda found=found: found)
        assert here()["numerics.blas"] == name
