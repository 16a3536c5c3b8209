"""The address of an MLflow store, and how its database is opened and made."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plainmlp.config.schema import TrackingSection
from plainmlp.system.errors import InputError
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.connection import one_line

SQLITE = "sqlite:///"
ADDRESSES = "sqlite:///<file>, or the address of an MLflow server or its database"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a `Connection` tries again itself
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # otherwise each attempt on a locked database prints a traceback
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def tracking_address(tracking: TrackingSection, root: Path) -> str:
    """Return the MLflow address of a configuration: `uri`, else MLFLOW_TRACKING_URI, else the checkout's database."""
    return tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root / 'mlflow.db'}"


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
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise refusal(address, one_line(error)) from error


def refusal(address: str, reason: str) -> InputError:
    """Return the error of an address that nothing can be recorded at."""
    place = without_credentials(address)
    return InputError(f"tracking.uri = {place!r}: MLflow cannot record there ({reason}); allowed: {ADDRESSES}")


@contextmanager
def locked(address: str) -> Iterator[None]:
    """Let one process at a time create a database; several at once would damage it for good."""
    from filelock import FileLock

    database = database_file(address)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        database.open("ab").close()  # MLflow would try for minutes to open what cannot be opened
        if not database.stat().st_size:
            _make(database)
        yield


def _make(database: Path) -> None:
    """Make a database whole or not at all; MLflow cannot repair a half-made one."""
    from mlflow import MlflowClient

    temporary = database.with_name(f".{database.name}.new")
    for leftover in database.parent.glob(f"{temporary.name}*"):  # of a process that was killed, with a journal
        leftover.unlink()
    MlflowClient(f"{SQLITE}{temporary}")
    temporary.replace(database)


def database_file(address: str) -> Path | None:
    """Return the file of a database, or None for other stores."""
    return Path(address.removeprefix(SQLITE)).absolute() if address.startswith(SQLITE) else None


def artifact_location(address: str, experiment: str) -> str | None:
    """Return where artifacts go: beside a database file, else None, which leaves it to the server."""
    database = database_file(address)
    return None if database is None else (database.parent / "mlruns" / experiment).as_uri()


def shown_address(address: str) -> str:
    """Return an address to keep: without credentials, and with an absolute path, the same from every folder."""
    database = database_file(address)
    return without_credentials(address) if database is None else f"{SQLITE}{database}"
