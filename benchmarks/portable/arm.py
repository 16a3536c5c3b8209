"""A Python for 64-bit ARM with the libraries of the chain, run here by qemu's emulation of a single program.

Debian's packages and the wheels are only unpacked into one folder: nothing is installed, and no setting of the system
changes, so it takes no rights. The clients are configured where they always are, by files and the environment.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# what the chain and its figures import; what these need comes along, at the versions that are installed here
LIBRARIES = (
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scikit-learn",
    "threadpoolctl",
)
EMULATOR = "qemu-aarch64-static"
PACKAGES = ("python3-minimal", "libpython3-stdlib", "libgomp1", "libstdc++6")
GLIBC = range(17, 42)  # the second number of its versions that wheels name
APT = """\
APT::Architecture "{native}";
APT::Architectures {{ "{native}"; "arm64"; }};
APT::Sandbox::User "";
Dir::State "{folder}";
Dir::State::Lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
"""
PROGRAM = """\
#!/bin/sh
exec env PYTHONPATH="{folder}/site${{PYTHONPATH:+:$PYTHONPATH}}" "{emulator}" -L "{folder}/root" "{python}" -S "$@"
"""


class Unavailable(Exception):  # noqa: N818  no error: the check goes on without
    """There can be no such Python here."""


def lay_arm(folder: Path) -> Path:
    """Return a program that is a Python for 64-bit ARM; it is laid where it is not there with the same versions.

    Parameters
    ----------
    folder : Path
        For this alone; takes about 1 GB.

    Raises
    ------
    Unavailable
        The system has no Debian packages, or a package or wheel for this architecture cannot be had.
    """
    requirements = sorted(pinned(LIBRARIES))
    program, ready = folder / "python", folder / "ready"
    stamp = hashlib.sha256("\n".join([Path(__file__).read_text(encoding="utf-8"), *requirements]).encode()).hexdigest()
    if ready.exists() and json.loads(ready.read_text(encoding="utf-8"))["stamp"] == stamp:
        return program
    started = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    emulator = _unpack_packages(folder)
    python = max((folder / "root" / "usr" / "bin").glob("python3.*"), key=lambda path: int(path.name.split(".")[1]))
    _unpack_wheels(folder, requirements, python.name.removeprefix("python"))
    program.write_text(PROGRAM.format(folder=folder, emulator=emulator, python=python), encoding="utf-8")
    program.chmod(0o755)
    if _run([program, "-c", "import platform, numpy; print(platform.machine())"]).strip() != "aarch64":
        message = "the emulated Python says that it is not on aarch64"
        raise Unavailable(message)
    ready.write_text(json.dumps({"stamp": stamp, "seconds": time.perf_counter() - started}), encoding="utf-8")
    return program


def laying_seconds(folder: Path) -> float:
    """Return what it took to lay the Python that is in a folder."""
    return float(json.loads((folder / "ready").read_text(encoding="utf-8"))["seconds"])


def pinned(names: Iterable[str]) -> set[str]:
    """Return libraries and all that they need as requirements, at the versions that are installed here."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            message = f"{name} is not installed here"
            raise Unavailable(message) from None
        found[name] = f"{name}=={installed.version}"
        waiting += _needed(installed.requires or ())
    return set(found.values())


def _needed(lines: Iterable[str]) -> Iterator[str]:
    """Yield the names of requirements, without those of extras."""
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _unpack_packages(folder: Path) -> str:
    """Unpack the system's own Python for ARM, and the emulator where there is none; return the emulator's path."""
    packages = folder / "packages"
    for name in ("lists/partial", "archives/partial"):
        (packages / name).mkdir(parents=True)
    (packages / "status").touch()
    native = _run(["dpkg", "--print-architecture"]).strip()
    settings = packages / "apt.conf"
    settings.write_text(APT.format(native=native, folder=packages), encoding="utf-8")
    variables = {**os.environ, "APT_CONFIG": str(settings)}
    _run(["apt-get", "update", "--quiet=2"], variables)
    only_needed = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
    wanted = [f"{name}:arm64" for name in PACKAGES]
    listing = _run(["apt-cache", "depends", "--recurse", *only_needed, *wanted], variables).splitlines()
    names = sorted({line for line in listing if line.startswith(("lib", "python3", "zlib")) and "perl" not in line})
    emulator = shutil.which(EMULATOR)
    chosen = [name for name in names if name.endswith(":arm64")] + ([] if emulator else ["qemu-user-static"])
    _run(["apt-get", "download", "--quiet=2", *chosen], variables, packages)
    for package in sorted(packages.glob("*.deb")):
        _run(["dpkg-deb", "--extract", package, folder / ("root" if package.stem.endswith("_arm64") else "tools")])
    shutil.rmtree(packages)
    if not (folder / "root" / "lib").exists():
        (folder / "root" / "lib").symlink_to("usr/lib")
    return emulator or str(folder / "tools" / "usr" / "bin" / EMULATOR)


def _unpack_wheels(folder: Path, requirements: Iterable[str], python_version: str) -> None:
    """Unpack the libraries' wheels for ARM; they are compiled here where the two Pythons are of one version."""
    wheels, site = folder / "wheels", folder / "site"
    platforms = [f"--platform=manylinux_2_{number}_aarch64" for number in GLIBC]
    platforms += ["--platform=manylinux2014_aarch64", "--platform=any"]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", f"--dest={wheels}"]
    version = f"--python-version={python_version}"
    _run([sys.executable, "-m", "pip", "download", *options, *platforms, version, *requirements])
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    shutil.rmtree(wheels)


def _run(command: Iterable[str | Path], variables: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """Return what a command says.

    Raises
    ------
    Unavailable
        It is not there, or does not succeed; with the last line that it said.
    """
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(words, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        message = f"{words[0]} cannot be run ({error.strerror})"
        raise Unavailable(message) from error
    if ended.returncode:
        last = (ended.stderr.strip() or ended.stdout.strip() or f"exit code {ended.returncode}").splitlines()[-1]
        message = f"{Path(words[0]).name} failed ({last})"
        raise Unavailable(message)
    return ended.stdout


def is_native() -> bool:
    """Return whether this very machine is 64-bit ARM."""
    return platform.machine() in {"aarch64", "arm64"}
