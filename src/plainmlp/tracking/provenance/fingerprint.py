"""The numerics fingerprint: a record of the machine and the libraries that a run was computed with."""

import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

CPU_FACTS = Path("/proc/cpuinfo")


def numerics_tags(threads: int, dtype: str) -> dict[str, str]:
    """Return the tags `numerics.*` of a training with so many threads and parameters of a dtype.

    Returns
    -------
    dict of str to str
        Library, version and kernel of the BLAS that NumPy uses; the SIMD level of NumPy's own loops; the processor; the
        versions of NumPy, Numba and Python; the platform; the threads and the dtype.

    Notes
    -----
    The results of our own engine depend only on the dtype; those of other libraries may depend on all.
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
    """Leave out the copies that other packages bring along, unless NumPy has none of its own."""
    packages = Path(np.__file__).parents[1]
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
