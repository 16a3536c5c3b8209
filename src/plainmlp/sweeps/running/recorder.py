"""The recorder: points that are over go to MLflow in a thread of their own, behind the training, many at a time."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from plainmlp.sweeps.running.archive import ArchivedPoint
from plainmlp.sweeps.running.job import Job, record_outcomes
from plainmlp.sweeps.running.units import PointError

AT_ONCE = 64  # points in one transaction


class Recorder:
    """Records points while its block runs, and all of them before the block ends.

    After an exception it finishes what it has begun; the archive has the rest, for the next start of the sweep.

    Parameters
    ----------
    checkout : Path
        The one whose archive has the points.

    Attributes
    ----------
    kept : dict
        What the archive has of the points that were recorded, by their ids.
    """

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self.kept: dict[str, ArchivedPoint] = {}
        self._ended: deque[tuple[Job, PointError | None]] = deque()
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._recording: Future[None] = self._thread.submit(lambda: None)

    def __enter__(self) -> "Recorder":
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the thread; raise what it met, unless the block has raised already."""
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._recording.result()

    def add(self, job: Job, failure: PointError | None) -> None:
        """Take in a point that is archived, or has failed; raise what the recording of an earlier one has met."""
        if self._recording.done():
            self._recording.result()
        self._ended.append((job, failure))
        self._recording = self._thread.submit(self._record, self._recording)

    def _record(self, before: Future[None]) -> None:
        """Record what has come by now, unless it has been already; raise what the recording before has met."""
        before.result()
        batch = [self._ended.popleft() for _ in range(min(AT_ONCE, len(self._ended)))]
        if batch:
            self.kept |= record_outcomes(batch, self._checkout)
