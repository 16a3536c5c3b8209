"""How much memory a run may take; what would need more is refused beforehand."""

import os
from functools import cache
from pathlib import Path

from plainmlp.system.errors import InputError

VARIABLE = "PLAINMLP_MEMORY_GB"
GIGABYTE = 10**9


def require_memory(n_bytes: float, purpose: str) -> None:
    """Refuse what would need more memory than `memory_limit` says.

    The message begins with the purpose: what needs it, a file or a key, and its size.
    """
    limit = memory_limit()
    if n_bytes > limit:
        message = (
            f"{purpose} would take about {_size(n_bytes)} of memory; allowed: up to {_size(limit)}, or more with "
            f"the environment variable {VARIABLE}"
        )
        raise InputError(message)


def _size(n_bytes: float) -> str:
    return f"{n_bytes / GIGABYTE:,.1f} GB" if n_bytes >= GIGABYTE / 10 else f"{n_bytes / 10**6:,.1f} MB"


def memory_limit() -> float:
    """Return how many bytes a run may take: the value of `VARIABLE`, else the memory of the machine or its container."""
    if text := os.environ.get(VARIABLE):
        try:
            return float(text) * GIGABYTE
        except ValueError:
            message = f"{VARIABLE}={text!r} is not a number; allowed: gigabytes, such as 16 or 0.5"
            raise InputError(message) from None
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float(min([machine, *_container_limits()]))


@cache
def _container_limits(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> tuple[int, ...]:
    """Return the limits that Linux sets for the control groups of this process."""
    if not own.exists():
        return ()
    places = {line.split(":", 2)[2].strip("/") for line in own.read_text(encoding="utf-8").splitlines()}
    groups = {folder for place in places for folder in (Path(place), *Path(place).parents)}
    files = [root / group / "memory.max" for group in groups]
    files += [root / "memory" / group / "memory.limit_in_bytes" for group in groups]
    texts = [file.read_text(encoding="utf-8").strip() for file in files if file.is_file()]
    return tuple(int(text) for text in texts if text.isdecimal())
