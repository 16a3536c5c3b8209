"""Engines: where units are trained. Each speaks one small interface of futures."""

from concurrent.futures import Future
from typing import Any, Protocol

from plainmlp.sweeps.running.units import Results, Unit, train_unit

UNIT_SECONDS = 2.0


class WorkerDiedError(Exception):
    """A worker has ended before its unit was done; the text says how, such as `was ended by SIGKILL`."""


class Engine(Protocol):
    """Trains units, several at once; it serves until it is closed."""

    unit_seconds: float  # that a unit takes, unless a single point takes longer

    @property
    def units_at_once(self) -> int:
        """How many units it can use before the first has ended."""

    def submit(self, unit: Unit) -> Future[Any]:
        """Start to train a unit, if fewer than `units_at_once` are on their way; `results` takes the future."""

    def results(self, future: Future[Any]) -> Results:
        """Return what a unit that has ended gave.

        Raises
        ------
        WorkerDiedError
            Its worker has ended, and the unit may be submitted again.
        InputError
            No unit can be trained there.
        """

    def close(self) -> None:
        """End all work at once, whatever runs."""


class ThisProcess:
    """Trains each unit as it is submitted, in this process."""

    unit_seconds = UNIT_SECONDS
    units_at_once = 1

    def __str__(self) -> str:
        """Say who trains."""
        return "this process"

    def submit(self, unit: Unit) -> Future[Results]:
        """Train a unit."""
        future: Future[Results] = Future()
        future.set_result(train_unit(unit))
        return future

    def results(self, future: Future[Results]) -> Results:
        """Return what a unit gave."""
        return future.result()

    def close(self) -> None:
        """Do nothing: there is no more to end."""
