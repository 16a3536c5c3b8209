"""Waiting for what another process does, and telling whether it is still at work."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds; fail with what was expected if it does not within so many seconds."""
    if not holds_within(seconds, condition):
        pytest.fail(f"{what} did not happen within {seconds:g} s")


def holds_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, and say whether it did within so many seconds."""
    until = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if condition():
            return True
        now = time.monotonic()
        if now > until:
            return False
        time.sleep(max(0.02, 4 * (now - asked)))  # what is waited for needs the processor more


def at_work_in(folder: Path) -> dict[psutil.Process, float]:
    """Return the processes that work in a folder, and the seconds that each has worked."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended meanwhile
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == folder:
                found[process] = process.cpu_times().user
    return found


def is_at_work(process: psutil.Process) -> bool:
    """Say whether a process lives; a zombie, which a container's first process may never collect, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
