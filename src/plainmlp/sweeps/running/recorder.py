"""The recorder: points that are over go to MLflow in a thread of their own, behind the training, many at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType

from plainmlp.sweeps.running.job import Job, record_outcomes
from plainmlp.sweeps.running.units import PointError

AT_ONCE = 64  # points in one transaction
Ended = tuple[Job, PointError | None]


class Recorder:
    """Records points while its block runs, and all of them before the block ends.

    After an exception it finishes what it has begun; the archive has the rest, for the next start of the sweep.

    Parameters
    ----------
    checkout : Path
        The one whose archive has the points.
    """

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._ended: SimpleQueue[Ended | None] = SimpleQueue()  # None is the end
        self._is_given_up = False

    def __enter__(self) -> "Recorder":
        """Start the thread."""
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._recording = self._thread.submit(self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the thread; raise what it met, unless the block has raised already."""
        self._is_given_up = kind is not None
        self._ended.put(None)
        self._thread.shutdown()
        if kind is None:
            self._recording.result()

    def add(self, job: Job, failure: PointError | None) -> None:
        """Take in a point that is archived, or has failed; raise what the recording of an earlier one has met."""
        if self._recording.done():
            self._recording.result()
        self._ended.put((job, failure))

    def _record(self) -> None:
        is_over = False
        while not is_over:
            found = [self._ended.get()]
            while len(found) < AT_ONCE and found[-1] is not None and (more := self._more()):
                found += more
            is_over = found[-1] is None or self._is_given_up
            batch = [each for each in found if each is not None]
            if batch and not self._is_given_up:
                record_outcomes(batch, self._checkout)

    def _more(self) -> list[Ended | None]:
        try:
            return [self._ended.get_nowait()]
        except Empty:
            return []
