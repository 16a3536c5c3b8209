"""Addresses of MLflow stores: which one a configuration means, and how to show it without credentials."""

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from plainmlp.config.schema import TrackingSection
from plainmlp.tracking.credentials import without_credentials

SQLITE = "sqlite:///"


def tracking_address(tracking: TrackingSection, root: Path) -> str:
    """Return the MLflow address of a configuration: `uri`, else MLFLOW_TRACKING_URI, else the checkout's database."""
    return tracking.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{root / 'mlflow.db'}"


def database_file(address: str) -> Path | None:
    """Return the file of a database, or None for other stores."""
    return Path(address.removeprefix(SQLITE)).absolute() if address.startswith(SQLITE) else None


def artifact_location(address: str, experiment: str) -> str | None:
    """Return where artifacts go: beside a database file; None leaves it to the server."""
    database = database_file(address)
    return None if database is None else (database.parent / "mlruns" / experiment).as_uri()


def local_folder(place: str) -> Path | None:
    """Return the folder that an address of artifacts means on this machine, or None for other places."""
    parts = urlsplit(place)
    if parts.scheme not in {"", "file"}:
        return None
    return Path(url2pathname(parts.path) if parts.scheme else place)


def shown_address(address: str) -> str:
    """Return an address to show or store: without credentials, and with an absolute path."""
    database = database_file(address)
    return without_credentials(address) if database is None else f"{SQLITE}{database}"
