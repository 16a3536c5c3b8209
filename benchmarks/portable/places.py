"""The places: processors to run the chain on, each a set of variables or an emulated Python, checked to be in force."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portable.arm import Unavailable, is_native, lay_arm

ROOT = Path(__file__).resolve().parents[2]
# keeps the emulated Python and compiled code, so that several checkouts can share them
CACHE = Path(os.environ.get("PLAINMLP_PORTABILITY", ROOT / ".plainmlp" / "portability")).resolve()
ARM = CACHE / "arm"
HERE = "this machine"
# Numba takes the instructions of this processor whatever its name, unless it is told the instructions too
AVX2 = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "",
}
SSE = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NUMBA_CPU_NAME": "x86-64",
    "NUMBA_CPU_FEATURES": "",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable,-FMA4_Usable",
}
COMPILED = {"NUMBA_CACHE_DIR": str(CACHE / "compiled")}  # apart from what this machine keeps beside the package


@dataclass(frozen=True)
class Place:
    """A processor to run the chain on.

    Parameters
    ----------
    name : str
    python : Path
        The program that runs it.
    variables : mapping of str to str
        What makes the libraries take this processor for an older one.
    expected : mapping of str to str
        What `describe_processor` must say there, so that a variable without effect is noticed.
    forms : tuple of str, default ("plain", "compiled")
        Of the training, to run there.
    """

    name: str
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    forms: tuple[str, ...] = ("plain", "compiled")


@dataclass(frozen=True)
class Outcome:
    """What a case came to in a place."""

    place: str
    case: str
    form: str
    seconds: float
    digests: dict[str, str]


def narrow_places(found: Mapping[str, str]) -> list[Place]:
    """Return the older processors that this one can stand for.

    Parameters
    ----------
    found : mapping of str to str
        What `describe_processor` says here.
    """
    if found["machine"] != "x86_64":
        return []
    baseline = found["NumPy"].partition(" X86_V3")[0]
    avx2 = {"NumPy": f"{baseline} X86_V3", "BLAS": "Haswell", "Numba": "256 bits"}
    sse = {"NumPy": baseline, "BLAS": "Nehalem", "Numba": "128 bits"}
    narrow = [Place("x86-64, SSE", variables=SSE | COMPILED, expected=sse)]
    return (
        [Place("x86-64, AVX2", variables=AVX2 | COMPILED, expected=avx2), *narrow]
        if "X86_V4" in found["NumPy"]
        else narrow
    )


def arm_place(forms: tuple[str, ...]) -> Place:
    """Return 64-bit ARM by emulation.

    Parameters
    ----------
    forms : tuple of str
        To run there: compiling takes an emulated processor minutes.

    Raises
    ------
    Unavailable
        It cannot be had here, or this machine is one.
    """
    if is_native():
        message = "this machine is one"
        raise Unavailable(message)
    return Place(
        "64-bit ARM, emulated", python=lay_arm(ARM), variables=COMPILED, expected={"machine": "aarch64"}, forms=forms
    )


def run_chain(place: Place, folder: Path, options: Sequence[str]) -> tuple[dict[str, str], list[Outcome]]:
    """Run cases in a place.

    Parameters
    ----------
    place : Place
    folder : Path
        That `write_cases` wrote.
    options : sequence of str
        Of ``portable.chain``.

    Returns
    -------
    processor : dict of str to str
        What `describe_processor` says there.
    outcomes : list of Outcome

    Raises
    ------
    RuntimeError
        The chain fails there, or the place is not what it should be.
    """
    command = [str(place.python), "-W", "error", "-m", "portable.chain", str(folder), "--forms", *place.forms, *options]
    ended = subprocess.run(command, env=environment(place.variables), stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        message = f"{place.name}: the chain ended with code {ended.returncode}"
        raise RuntimeError(message)
    first, *lines = map(json.loads, ended.stdout.splitlines())
    processor: dict[str, str] = first["processor"]
    for library, expected in place.expected.items():
        if processor[library] != expected:
            message = f"{place.name}: {library} says {processor[library]}, not {expected}; a setting has no effect"
            raise RuntimeError(message)
    return processor, [Outcome(place.name, **line) for line in lines]


def compile_beforehand(place: Place) -> None:
    """Compile for both dtypes side by side, which takes an emulated processor minutes; what is kept is taken again.

    Raises
    ------
    RuntimeError
        Numba fails there.
    """
    command = [str(place.python), "-m", "plainmlp.nn.compiled"]
    variables = environment(place.variables)
    started = [subprocess.Popen([*command, dtype], env=variables) for dtype in ("float32", "float64")]
    codes = [process.wait() for process in started]
    if any(codes):
        message = f"{place.name}: the core cannot be compiled (codes {codes})"
        raise RuntimeError(message)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that runs this checkout's code as on another processor."""
    kept = {name: value for name, value in os.environ.items() if name not in SSE}
    paths = {
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'benchmarks'}",
        "MPLCONFIGDIR": str(CACHE / "matplotlib"),
    }
    return {**kept, **paths, **variables}
