"""A connection to an MLflow store: what is asked of it, and for how long this process waits for it in all."""

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import cache
from threading import Thread
from typing import TypeVar

from plainmlp.tracking.addresses import without_credentials

PAUSE = 0.5  # seconds between two attempts
SERVERS = ("http://", "https://")
# MLflow's codes for a store that cannot answer now; by the others it refuses what it is asked
AWAY_CODES = {"DEADLINE_EXCEEDED", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
BUSY = ("locked", "full", "disk I/O")  # what SQLite says of a database that is all right
Answer = TypeVar("Answer")


class AwayError(Exception):
    """Report that a store cannot be reached, and why; for this package alone."""


class Connection:
    """A connection to an MLflow store that is given up for good once this process has waited long enough.

    Parameters
    ----------
    address : str
    wait_seconds : float
        How long all attempts that fail may take together.
    is_limited : bool
        Whether an answer may not take longer either. A file that is sent to a server that is there takes its time, so
        that is for those who can do without an answer.
    """

    def __init__(self, address: str, wait_seconds: float, *, is_limited: bool) -> None:
        self.address = address
        self._left, self._is_limited = wait_seconds, is_limited
        self.reason = ""
        self._is_announced = False

    @property
    def is_away(self) -> bool:
        """Say whether the store has been given up."""
        return self._left <= 0

    def open(self, function: Callable[[], Answer]) -> Answer:
        """Call a function that opens the store; where that is a file, it may take its time.

        Raises
        ------
        AwayError
            The store cannot be reached.
        Exception
            It never will be: there is no store at such an address.
        """
        is_limited = self._is_limited and not self.address.startswith("sqlite:")
        return self._persist(function, self._may_come_back, is_limited=is_limited)

    def call(self, function: Callable[[], Answer]) -> Answer:
        """Return what a function says that asks the store; try again while there is time.

        Raises
        ------
        AwayError
            The store cannot be reached.
        Exception
            The store refuses what it is asked.
        """
        return self._persist(function, is_away, is_limited=self._is_limited)

    def announce(self, line: str) -> None:
        """Say once that the store is away, why, and what follows from that."""
        if not self._is_announced:
            self._is_announced = True
            sys.stderr.write(f"{self.describe()}; {line}\n")

    def describe(self) -> str:
        """Return where the store is, and why it cannot be reached, without credentials."""
        return f"MLflow cannot be reached at {without_credentials(self.address)} ({self.reason})"

    def _persist(
        self, function: Callable[[], Answer], is_away: Callable[[Exception], bool], *, is_limited: bool
    ) -> Answer:
        """Try until there is an answer, a refusal, or no time left."""
        while not self.is_away:
            start = time.monotonic()
            try:
                return within(self._left, function) if is_limited else function()
            except Exception as error:
                if not is_away(error):
                    raise
                self.reason = cause(error)
            time.sleep(max(0.0, min(PAUSE, self._left - (time.monotonic() - start))))
            self._left -= time.monotonic() - start
        raise AwayError(self.reason)

    def _may_come_back(self, error: Exception) -> bool:
        """Say whether the store of an address could be there another time."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        if self.address.startswith(SERVERS):
            return is_away(error)
        if self.address.startswith("sqlite:"):
            return isinstance(error, (MlflowException, OperationalError)) and any(word in str(error) for word in BUSY)
        return isinstance(error, (TimeoutError, OperationalError))


@cache
def connect(address: str, wait_seconds: float, *, is_limited: bool) -> Connection:
    """Return the connection of this process to an address: what is given up stays given up."""
    return Connection(address, wait_seconds, is_limited=is_limited)


def is_away(error: Exception) -> bool:
    """Say whether an error means that the store cannot be reached, rather than that it refuses what it is asked."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

    if isinstance(error, MlflowException):
        return error.error_code in AWAY_CODES
    if isinstance(error, (DataError, IntegrityError, ProgrammingError)):  # the database is there, and says no
        return False
    return isinstance(error, (OSError, SQLAlchemyError))  # of artifacts too: what requests raises is an OSError


def within(seconds: float, function: Callable[[], Answer]) -> Answer:
    """Return what a function returns, or raise TimeoutError: whatever it waits for, it is left to itself then."""
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            answer.set_exception(error)

    Thread(target=work, daemon=True).start()
    wait([answer], seconds)
    if not answer.done():
        message = f"no answer within {seconds:.1f} s"
        raise TimeoutError(message)
    return answer.result()


def cause(error: BaseException) -> str:
    """Return in one line what an error comes down to: `Connection refused` rather than all that followed from it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return one_line(error)


def one_line(error: BaseException) -> str:
    """Return the first line of what an error says, without credentials."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_credentials(lines[0])
