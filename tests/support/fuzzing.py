"""How much a fuzzed test may take: no example may run without end or fill the memory."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

EXAMPLES = 1000  # a test, with `make fuzz`
SECONDS_AN_EXAMPLE = 30
SECONDS = 900  # of the processor, a test
BYTES = 2 * 2**30  # beyond what the process holds when the test begins


@contextmanager
def bounded(seconds: int = SECONDS, size: int = BYTES) -> Iterator[None]:
    """Bound the memory and the processor's time of what is done inside.

    Raises
    ------
    MemoryError
        From whatever asks for more bytes.
    TimeoutError
        Where it takes longer.
    """
    times = resource.getrusage(resource.RUSAGE_SELF)
    until = int(times.ru_utime + times.ru_stime) + seconds
    held = psutil.Process().memory_info().data
    limits = {resource.RLIMIT_DATA: held + size, resource.RLIMIT_CPU: until}
    before = {kind: resource.getrlimit(kind) for kind in limits}
    handler = signal.signal(signal.SIGXCPU, _out_of_time)
    try:
        for kind, soft in limits.items():
            resource.setrlimit(kind, (soft, before[kind][1]))
        yield
    finally:
        for kind, limit in before.items():
            resource.setrlimit(kind, limit)
        signal.signal(signal.SIGXCPU, handler)


def _out_of_time(*_: object) -> None:
    message = "the processor's time of a fuzzed test is used up"
    raise TimeoutError(message)
