"""What a run is computed with: packages, the numerics fingerprint, and what a process uses."""

import hashlib
import json
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

from plainmlp.tracking.provenance import environment as module
from plainmlp.tracking.provenance.environment import (
    LOCK,
    environment_tags,
    installed_packages,
    numerics_tags,
    process_usage,
)

PROGRAM = """
import json
from plainmlp.tracking.provenance.environment import numerics_tags
print(json.dumps(numerics_tags(1, "float64")))
"""
USE = """
import json, sys, time
from plainmlp.tracking.provenance.environment import process_usage
before = process_usage()
block = bytearray(b"x" * 150_000_000)
del block
time.sleep(0.6)
after = process_usage()
print(json.dumps([before, after]))
"""


def test_packages_are_those_that_are_installed():
    lines = installed_packages().splitlines()
    assert f"numpy=={np.__version__}" in lines
    names = [line.split("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_package_that_is_installed_besides_is_noticed(tmp_path):
    for folder, version in (("one", "1"), ("two", "2")):
        information = tmp_path / folder / "Some_Thing.x-1.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Some_Thing.x\nVersion: {version}\n")
    (tmp_path / "two" / "broken-1.dist-info").mkdir()
    program = f"import sys; sys.path[:0] = {[str(tmp_path / 'one'), str(tmp_path / 'two')]}\n"
    program += (
        "from plainmlp.tracking.provenance.environment import installed_packages; print(installed_packages(), end='')"
    )
    source = str(next(path for path in sys.path if path.endswith("/src")))
    answer = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout
    assert set(answer.splitlines()) - set(installed_packages().splitlines()) == {"some-thing-x==1"}


def test_package_that_is_installed_later_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    os.utime(tmp_path, (0, 0))
    before = installed_packages()
    (tmp_path / "late-3.dist-info").mkdir()
    (tmp_path / "late-3.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 3\n")
    assert set(installed_packages().splitlines()) - set(before.splitlines()) == {"late==3"}


def test_digests_follow_the_lock_and_the_packages(tmp_path):
    assert environment_tags(tmp_path, "a==1\n") == {"environment_digest": hashlib.sha256(b"a==1\n").hexdigest()}
    (tmp_path / LOCK).write_bytes(b"a==1 --hash=x\r\n")
    tags = environment_tags(tmp_path, "a==2\n")
    assert tags["lock_digest"] == hashlib.sha256(b"a==1 --hash=x\r\n").hexdigest()
    assert tags["environment_digest"] != environment_tags(tmp_path, "a==1\n")["environment_digest"]


def here(threads: int = 1, dtype: str = "float64") -> dict[str, str]:
    return numerics_tags(threads, dtype)


def elsewhere(program: str = PROGRAM, **variables: str) -> dict[str, str]:
    """Return the fingerprint of another process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    command = [sys.executable, "-W", "ignore", "-c", program]
    return json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


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
    monkeypatch.setattr(module, "version", {"numba": "0.61.2"}.__getitem__)
    assert here()["numerics.numba"] == "0.61.2"

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", missing)
    assert here()["numerics.numba"] == "none"


@pytest.mark.slow
def test_libraries_that_are_loaded_besides_do_not_count():
    assert elsewhere("import scipy.linalg\n" + PROGRAM) == elsewhere() == here()


def test_libraries_of_numpy_are_known_behind_a_link_too(monkeypatch, tmp_path):
    import scipy.linalg  # noqa: F401  which brings a library of its own

    before = here()
    packages = Path(np.__file__).parents[1]
    (tmp_path / "packages").symlink_to(packages)  # as of an environment that is a link to another
    monkeypatch.setattr(np, "__file__", str(tmp_path / "packages" / "numpy" / "__init__.py"))
    assert here() == before


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


def test_time_and_processor_time_grow():
    before, start = process_usage(), time.process_time()
    while time.process_time() - start < 0.1:
        sum(range(1000))
    after = process_usage()
    assert after["system/cpu_seconds"] - before["system/cpu_seconds"] > 0.05
    assert after["system/wall_seconds"] - before["system/wall_seconds"] > 0.05


@pytest.mark.slow
def test_waiting_takes_time_and_no_processor_and_the_peak_stays():
    start = time.time()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", USE], env=environment, stdout=subprocess.PIPE, check=True)
    before, after = json.loads(answer.stdout)
    waited, worked = (after[name] - before[name] for name in ("system/wall_seconds", "system/cpu_seconds"))
    assert waited - worked > 0.4  # it sleeps for 0.6 s; the system counts processor time in ticks, and may err by many
    assert after["system/wall_seconds"] < time.time() - start + 1
    assert 140 < after["system/peak_memory_megabytes"] - before["system/peak_memory_megabytes"] < 400


@pytest.mark.slow
def test_peak_is_not_that_of_the_process_before():
    program = USE.split("block =", maxsplit=1)[0] + "print(before['system/peak_memory_megabytes'])"
    block = bytearray(b"x" * 300_000_000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True)
    assert float(answer.stdout) < 100 < len(block) / 1e6
