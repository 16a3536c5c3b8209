"""Processes: the name of each, whether it still lives, and which of several holds a lock."""

import atexit
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import current_thread, main_thread

from plainmlp.system.errors import InputError
from plainmlp.system.files import make_folder

PR_SET_PDEATHSIG = 1  # of prctl in Linux: which signal a process gets when its parent ends
LOCK_SECONDS = 120.0  # eight processes that make a database on a busy machine take a minute
CLOCK_STEP = 2  # seconds: when a process began follows from the clock, which is corrected while it runs
# environment variables that give a job of a sweep the sweep's run, the process that launched it, and its name
PARENT, LAUNCHER, NAME = "PLAINMLP_PARENT", "PLAINMLP_LAUNCHER", "PLAINMLP_NAME"
ENDING = (signal.SIGINT, signal.SIGTERM)
NEW_OBJECTS = 50_000  # between two collections; Python's own number is 700


def relax_garbage_collection() -> None:
    """Let Python collect garbage rarely in this process, and not when it ends.

    The libraries keep 600,000 objects for as long as the process lives; going through them again and again took more
    than a third of a short command's time.
    """
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)


def own_process() -> str:
    """Return the lasting name of this process: its machine, its id and when it began."""
    return name_process(os.getpid())  # a fork gets another


@cache
def name_process(pid: int) -> str:
    """Return the name of a living process, or raise `psutil.NoSuchProcess`."""
    import psutil

    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.2f}"


def machine_of(name: str) -> str:
    """Return the machine of a process."""
    return name.rsplit(" ", 2)[0]


def is_elsewhere(name: str) -> bool:
    """Say whether a process is another machine's."""
    return machine_of(name) != socket.gethostname()


def is_dead(name: str) -> bool:
    """Say whether a process is known to be gone; another machine's process never is."""
    import psutil

    if is_elsewhere(name):
        return False
    _, pid, began = name.rsplit(" ", 2)
    try:
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        return bool(abs(process.create_time() - float(began)) > CLOCK_STEP)
    except psutil.NoSuchProcess:
        return True


@contextmanager
def exclusive_lock(locks: Path, name: str, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a name (hexadecimal digits); the operating system releases it when the process dies.

    The folder holds at most 256 locks, each for all names with the same first two digits. Raises InputError if another
    process holds the lock for longer than `seconds`.
    """
    make_folder(locks)
    with held(locks / name[:2], seconds):
        yield


@contextmanager
def held(path: Path, seconds: float = LOCK_SECONDS, refusal: str = "") -> Iterator[None]:
    """Hold a lock, a file in an existing folder; the system releases it when the process is killed.

    Raises
    ------
    InputError
        Another process holds it for longer than `seconds`; the message is `refusal` where that is given.
    OSError
        The file cannot be made.
    """
    from filelock import FileLock, Timeout

    if not os.access(path, os.W_OK):
        path.touch()  # FileLock would try for ever to make what cannot be made
    try:
        lock = FileLock(path).acquire(timeout=seconds)
    except Timeout as error:
        message = f"{path} has been locked by another process for {seconds:.0f} s; wait for that process, or end it"
        raise InputError(refusal or message) from error
    with lock:
        yield


def end_with(parent: int) -> None:
    """End this process when its parent, given by its process id, ends; only Linux can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals until the block ends, since a process that is started by half complains.

    Ctrl-C stays blocked in the processes started here: a terminal sends it to all, and the parent decides what ends.
    """
    received: list[int] = []
    numbers = ENDING if current_thread() is main_thread() else ()  # signals interrupt no other thread
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in numbers}
    _start_tracker()  # which would undo the next line, if it were started later
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)


def _start_tracker() -> None:
    """Start Python's own process that removes what one leaves that is killed, and let it do so without a warning."""
    from multiprocessing import resource_tracker

    name, before = "PYTHONWARNINGS", os.environ.get("PYTHONWARNINGS")
    os.environ[name] = ",".join(filter(None, (before, "ignore:resource_tracker")))
    resource_tracker.ensure_running()
    del os.environ[name]
    if before is not None:
        os.environ[name] = before


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
