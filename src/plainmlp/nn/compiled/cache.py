"""Where compiled code is kept: a folder named by the digest of all the source that it was compiled from."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

SOURCE = Path(__file__).parents[1]
# what is compiled; the rest of the core calls it
COMPILED = ("activations.py", "arithmetic.py", "compiled", "functions.py", "losses.py", "optimizers.py", "products.py")
CALLING = {"__main__.py", "cache.py", "descent.py"}  # of `compiled`: Python runs them
KEPT_SECONDS = 30 * 24 * 3600


@cache
def digest_source() -> str:
    """Return the digest of what is compiled; Numba itself looks at the file of a function, and not at what it calls."""
    paths = [SOURCE / name for name in COMPILED]
    files = sorted(file for path in paths for file in (path.glob("*.py") if path.is_dir() else [path]))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.name not in CALLING)).hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """Return the folder for code compiled from this source.

    It is in NUMBA_CACHE_DIR where that is set, else in the user's cache, which all checkouts share, or beside the package.
    A folder that is filled is taken as it is, even if it can only be read.

    Raises
    ------
    OSError
        No folder is filled, and none can be written.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    homes = [Path(given)] if given else [users, Path(__file__).parent / "__pycache__"]
    folders = [home / "plainmlp" / digest_source() for home in homes]
    for folder in folders:
        if any(folder.glob("*.nbi")):
            return folder
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    message = f"no folder for compiled code can be written: {', '.join(map(str, folders))}"
    raise OSError(message)


def is_filled() -> bool:
    """Say whether anything was compiled from this source already."""
    return any(cache_folder().glob("*.nbi"))


class DigestLocator:
    """Tells Numba where the code of a function is kept, and from which source it must be."""

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> "DigestLocator":
        """Return the locator of any function."""
        return cls()

    def ensure_cache_path(self) -> None:
        """Make the folder; `cache_folder` has done so."""

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        """Return what must be the same for kept code to be used."""
        return digest_source()

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart: nothing, since there are none."""
        return ""


@contextmanager
def caching() -> Iterator[None]:
    """Let functions that are decorated meanwhile keep their code in our folder."""
    before = numba.config.CACHE_LOCATOR_CLASSES
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{DigestLocator.__name__}"
    try:
        yield
    finally:
        numba.config.CACHE_LOCATOR_CLASSES = before


def remove_outdated() -> None:
    """Remove code that was compiled from other source more than 30 days ago."""
    here = cache_folder()
    for folder in here.parent.iterdir():
        if folder != here and time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
