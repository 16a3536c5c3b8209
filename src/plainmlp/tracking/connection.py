"""A connection to an MLflow store, for which this process waits a limited time in all."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import cache
from threading import Thread
from typing import TypeVar

from plainmlp.system.errors import InputError, StorageError
from plainmlp.tracking.credentials import without_credentials

PAUSE = 0.5  # seconds between two attempts
SERVERS = ("http://", "https://")
# MLflow's codes for a store that cannot answer now; all others mean that it rejects the request
AWAY_CODES = {"DEADLINE_EXCEEDED", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
BUSY = ("locked", "full", "disk I/O")  # in what SQLite reports about a sound database
ADDRESSES = "sqlite:///<file>, or the address of an MLflow server or its database"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a `Connection` tries again itself
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # otherwise each attempt on a locked database prints a traceback
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
Answer = TypeVar("Answer")


class AwayError(Exception):
    """A store cannot be reached; the text says why. Only this package sees this error."""


class Connection:
    """A connection to an MLflow store that is given up for good once its failed attempts have taken `wait_seconds`.

    With `is_limited`, an answer may not take longer either: such callers can do without one. Others wait as long as a
    reachable server needs, for example for a large file.
    """

    def __init__(self, address: str, wait_seconds: float, *, is_limited: bool) -> None:
        self.address = address
        self._left, self._is_limited = wait_seconds, is_limited
        self.reason = ""
        self._is_announced = False

    @property
    def is_away(self) -> bool:
        """Whether the store has been given up."""
        return self._left <= 0

    def open(self, function: Callable[[], Answer]) -> Answer:
        """Call a function that opens the store; opening a file may take long.

        Raises AwayError if the store cannot be reached, anything else if there can be no store at this address.
        """
        is_limited = self._is_limited and not self.address.startswith("sqlite:")
        return self._persist(function, self._may_come_back, is_limited=is_limited)

    def call(self, function: Callable[[], Answer]) -> Answer:
        """Return the result of a function that sends a request; try again while there is time.

        Raises AwayError if the store cannot be reached, anything else if it rejects the request.
        """
        return self._persist(function, is_away, is_limited=self._is_limited)

    def announce(self, line: str) -> None:
        """Print once that the store cannot be reached, why, and what follows."""
        if not self._is_announced:
            self._is_announced = True
            place = without_credentials(self.address)
            sys.stderr.write(f"MLflow cannot be reached at {place} ({self.reason}); {line}\n")

    def _persist(
        self, function: Callable[[], Answer], is_away: Callable[[Exception], bool], *, is_limited: bool
    ) -> Answer:
        """Try until there is an answer or a rejection, or no time left."""
        while not self.is_away:
            start = time.monotonic()
            try:
                return with_timeout(self._left, function) if is_limited else function()
            except Exception as error:
                if not is_away(error):
                    raise
                self.reason = cause(error)
            time.sleep(max(0.0, min(PAUSE, self._left - (time.monotonic() - start))))
            self._left -= time.monotonic() - start
        raise AwayError(self.reason)

    def _may_come_back(self, error: Exception) -> bool:
        """Whether another attempt to open the store could succeed."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        if self.address.startswith(SERVERS):
            return is_away(error)
        if self.address.startswith("sqlite:"):
            return isinstance(error, (MlflowException, OperationalError)) and any(word in str(error) for word in BUSY)
        return isinstance(error, (TimeoutError, OperationalError))


@cache
def connect(address: str, wait_seconds: float, *, is_limited: bool) -> Connection:
    """Return this process's connection to an address; once given up, it stays so."""
    return Connection(address, wait_seconds, is_limited=is_limited)


def is_away(error: Exception) -> bool:
    """Whether an error means that the store cannot be reached, rather than that it rejects the request."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

    if isinstance(error, MlflowException):
        return error.error_code in AWAY_CODES
    if isinstance(error, (DataError, IntegrityError, ProgrammingError)):  # the database answers
        return False
    return isinstance(error, (OSError, SQLAlchemyError))  # requests raises OSErrors, for artifacts too


def with_timeout(seconds: float, function: Callable[[], Answer]) -> Answer:
    """Return the result of a function, or raise TimeoutError and abandon it."""
    answer: Future[Answer] = Future()

    def work() -> None:
        try:
            answer.set_result(function())
        except BaseException as error:  # noqa: BLE001 - raised again by result() below
            answer.set_exception(error)

    Thread(target=work, daemon=True).start()
    wait([answer], seconds)
    if not answer.done():
        message = f"no answer within {seconds:.1f} s"
        raise TimeoutError(message)
    return answer.result()


def cause(error: BaseException) -> str:
    """Return the root cause of an error in one line, such as `Connection refused`, but not an earlier Ctrl-C."""
    while isinstance(earlier := error.__cause__ or error.__context__, Exception):
        error = earlier
    return one_line(error)


def one_line(error: BaseException) -> str:
    """Return the first line of the text of an error, without credentials."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return without_credentials(lines[0])


def apply_settings(wait_seconds: float) -> None:
    """Silence MLflow and shorten its timeouts for unreachable servers; it reads this when it is imported."""
    for name, value in {**SETTINGS, "MLFLOW_HTTP_REQUEST_TIMEOUT": str(math.ceil(wait_seconds))}.items():
        os.environ.setdefault(name, value)


@contextmanager
def opening(address: str) -> Iterator[None]:
    """Turn the errors of opening a store into one line that says why."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except StorageError:
        raise
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise refusal(address, one_line(error)) from error


def refusal(address: str, reason: str) -> InputError:
    """Return the error of an address that nothing can be recorded at."""
    place = without_credentials(address)
    return InputError(f"tracking.uri = {place!r}: MLflow cannot record there ({reason}); allowed: {ADDRESSES}")
