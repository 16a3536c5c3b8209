"""A worker: a process that does the tasks it is sent, and never outlives the process that started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread, current_thread, main_thread
from typing import Any

from plainmlp.system.process import collect_seldom

PR_SET_PDEATHSIG = 1  # of prctl in Linux: which signal a process gets when its parent ends
ENDING = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_END = 5  # after the last result
Work = Callable[..., Any]


class Worker:
    """A process of our own, started at once.

    Parameters
    ----------
    work : callable
        A function of a module. It is called in the process with the arguments of each task.

    Attributes
    ----------
    results : Connection
        Receives what `work` returns for each task, in their order; ends (EOFError) when the process does.
    """

    def __init__(self, work: Work) -> None:
        context = get_context("spawn")
        tasks, self._tasks = context.Pipe(duplex=False)
        self.results, results = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(work, tasks, results, os.getpid()), daemon=True)
        with _whole(), _without_interrupts():
            self._process.start()
        for theirs in (tasks, results):  # else the results would not end with the process
            theirs.close()

    def send(self, *task: Any) -> None:
        """Send a task, which may wait for others; a process that has ended shows that in `results`."""
        with suppress(BrokenPipeError):
            self._tasks.send(task)

    def describe_end(self) -> str:
        """Say how a process ended whose results have."""
        self._process.join(SECONDS_TO_END)
        code = self._process.exitcode
        if code is None:
            return "stopped answering"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        for connection in (self._tasks, self.results):
            connection.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from what is started here: a terminal sends it to all, and the parent decides what ends."""
    resource_tracker.ensure_running()  # which would undo the next line if it were started below it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _whole() -> Iterator[None]:
    """Let a signal that would end the block wait for its end: half a start leaves a process that complains."""
    if current_thread() is not main_thread():  # no other one is interrupted
        yield
        return
    received: list[int] = []
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in received:
            signal.raise_signal(late)


def _serve(work: Work, tasks: Connection, results: Connection, parent: int) -> None:
    """Do tasks for as long as the parent is there, which `_receive` notices everywhere."""
    end_with(parent)
    collect_seldom()
    waiting: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
    Thread(target=_receive, args=(tasks, waiting), daemon=True).start()
    while True:
        results.send(work(*waiting.get()))


def end_with(parent: int) -> None:
    """End this process when its parent ends, where the system can see to that (Linux).

    Parameters
    ----------
    parent : int
        Its process id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be asked
        os._exit(1)


def _receive(tasks: Connection, waiting: "SimpleQueue[tuple[Any, ...]]") -> None:
    """Take in tasks, and end the process when the parent has ended."""
    try:
        while True:
            waiting.put(tasks.recv())
    except (EOFError, OSError):
        os._exit(1)
