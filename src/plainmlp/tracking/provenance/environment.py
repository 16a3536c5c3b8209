"""The environment of a run: the installed packages, the machine and its libraries, and the resources that it uses."""

import hashlib
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import numpy as np

LOCK = "requirements.lock"
CPU_FACTS = Path("/proc/cpuinfo")
MEGABYTE = 1e6  # bytes
MEMORY_FACTS = Path("/proc/self/status")


def installed_packages() -> str:
    """Return the installed packages, sorted, a line ``name==version`` each; of duplicates only the one in use."""
    return _packages_in(tuple((place, Path(place).stat().st_mtime_ns) for place in sys.path if Path(place).exists()))


@lru_cache(maxsize=1)
def _packages_in(places: tuple[tuple[str, int], ...]) -> str:
    """Return the packages in folders, each with the time at which one was last added or removed."""
    found: dict[str, str] = {}
    for distribution in distributions(path=[place for place, _ in places]):
        metadata = distribution.metadata
        if metadata["Name"] is not None:  # the rest of a broken removal has none
            found.setdefault(re.sub(r"[-_.]+", "-", metadata["Name"]).lower(), metadata["Version"])
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def environment_tags(root: Path, packages: str) -> dict[str, str]:
    """Return `environment_digest` of the installed packages and, if the checkout has a lock file, `lock_digest`."""
    tags = {"environment_digest": hashlib.sha256(packages.encode()).hexdigest()}
    lock = root / LOCK
    return {"lock_digest": hashlib.sha256(lock.read_bytes()).hexdigest(), **tags} if lock.is_file() else tags


def numerics_tags(threads: int, dtype: str) -> dict[str, str]:
    """Return the numerics fingerprint as tags `numerics.*`, for a training with so many threads and such parameters.

    The results of our own engine depend only on the dtype; those of other libraries may depend on all: library, version
    and kernel of the BLAS that NumPy uses; the SIMD level of NumPy's own loops; the processor; the versions of NumPy,
    Numba and Python; the platform; the threads and the dtype.
    """
    from threadpoolctl import threadpool_info

    ours = _of_numpy([library for library in threadpool_info() if library["user_api"] == "blas"])
    values = {
        "blas": _each(ours, "internal_api"),
        "blas_version": _each(ours, "version"),
        "blas_kernel": _each(ours, "architecture"),
        "simd": _simd_level(),
        "cpu": _cpu_model(),
        "numpy": np.__version__,
        "numba": _version_or_none("numba"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "threads": str(threads),
        "dtype": dtype,
    }
    return {f"numerics.{name}": value for name, value in values.items()}


def _of_numpy(libraries: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out the BLAS libraries of other packages, unless NumPy has none of its own."""
    packages = Path(np.__file__).resolve().parents[1]  # as threadpoolctl names them
    own = [library for library in libraries if Path(library["filepath"]).match(f"{packages}/numpy*/*")]
    return own or libraries


def _each(libraries: Iterable[Mapping[str, Any]], key: str) -> str:
    return ", ".join(sorted({str(library.get(key)) for library in libraries})) or "none"


def _version_or_none(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _simd_level() -> str:
    """Return the instruction sets that NumPy was built for and found here, the highest last."""
    sets = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return " ".join([*sets.get("baseline", ()), *sets.get("found", ())])


def _cpu_model() -> str:
    """Return the processor's name, as far as it is known."""
    text = CPU_FACTS.read_text(encoding="utf-8", errors="replace") if CPU_FACTS.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1].strip() if model else platform.processor() or platform.machine()


def process_usage() -> dict[str, float]:
    """Return what this process has used since it began, as metrics that MLflow shows on a separate page (`system/`).

    `wall_seconds` passed; `cpu_seconds` were used by all its threads, and by the processes that it started and that have
    ended; `peak_memory_megabytes` is the most of 10^6 bytes that it has held in memory at once.
    """
    import psutil

    times = os.times()
    return {
        "system/wall_seconds": time.time() - psutil.Process().create_time(),
        "system/cpu_seconds": times.user + times.system + times.children_user + times.children_system,
        "system/peak_memory_megabytes": _peak_bytes() / MEGABYTE,
    }


def _peak_bytes() -> int:
    """Return the largest resident size; `getrusage` of Linux may report a larger one of the parent process."""
    if MEMORY_FACTS.exists():
        lines = MEMORY_FACTS.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
