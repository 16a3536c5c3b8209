"""What the libraries of this process take the processor to be, asked of each of them."""

import hashlib
import platform
from importlib.util import find_spec
from typing import Any

import numpy as np

from plainmlp.nn.randomness import generator

WIDTHS = {"zmm": "512 bits", "ymm": "256 bits"}  # of the registers that LLVM names


def describe_processor() -> dict[str, str]:
    """Return the machine, and what NumPy, its BLAS, Numba and the mathematical library make of it."""
    return {
        "machine": platform.machine(),
        "NumPy": " ".join(_numpy_features()),
        "BLAS": _blas_kernels(),
        "Numba": _numba_vectors() if find_spec("numba") else "none",
        "libm": _sines_digest(),
    }


def _numpy_features() -> list[str]:
    """Return the instruction sets that NumPy was built for and those that it found beside, the highest last."""
    sets = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return [*sets.get("baseline", ()), *sets.get("found", ())]


def _blas_kernels() -> str:
    from threadpoolctl import threadpool_info

    return ", ".join(sorted({str(library.get("architecture")) for library in threadpool_info()})) or "none"


def _numba_vectors() -> str:
    """Return how wide the vectors are that Numba makes of a loop; the name of a processor alone changes nothing."""
    from numba import njit

    def add(sums: Any, values: Any) -> None:
        for index in range(sums.size):
            sums[index] += values[index]

    compiled = njit(error_model="numpy")(add)
    compiled(np.zeros(64, np.float32), np.zeros(64, np.float32))
    assembly = "".join(compiled.inspect_asm().values())
    return next((width for register, width in WIDTHS.items() if register in assembly), "128 bits")


def _sines_digest() -> str:
    """Return the digest of sines, some of which glibc rounds otherwise where a multiply-add is not fused."""
    numbers = generator(0, "sines of the portability check").random(100_000)
    return hashlib.sha256(np.sin(numbers).tobytes()).hexdigest()[:8]
