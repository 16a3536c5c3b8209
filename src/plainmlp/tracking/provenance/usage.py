"""What a process has used so far: time, processor time and memory."""

import os
import time
from pathlib import Path

MEGABYTE = 1e6  # bytes
MEMORY_FACTS = Path("/proc/self/status")


def process_usage() -> dict[str, float]:
    """Return what this process has used since it began, as metrics.

    Returns
    -------
    dict of str to float
        `wall_seconds` since the process began; `cpu_seconds` of all its threads and of the processes that it started
        and that have ended; `peak_memory_megabytes`, the most of 10^6 bytes that it has held in memory at once.
    """
    import psutil

    times = os.times()
    return {
        "wall_seconds": time.time() - psutil.Process().create_time(),
        "cpu_seconds": times.user + times.system + times.children_user + times.children_system,
        "peak_memory_megabytes": _peak_bytes() / MEGABYTE,
    }


def _peak_bytes() -> int:
    """Return the largest resident size; `getrusage` of Linux may report a larger one of the parent process."""
    if MEMORY_FACTS.exists():
        lines = MEMORY_FACTS.read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
