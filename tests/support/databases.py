"""MLflow databases without a run, copied from one: to make its tables takes MLflow hundreds of transactions."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from plainmlp.tracking.store import Store

SHARED = "PYTEST_SHARED"  # names a folder that several processes of tests share


def new_database(file: Path) -> str:
    """Write a database without a run, as MLflow makes it, and return its address."""
    shutil.copyfile(_without_runs(), file)
    return f"sqlite:///{file}"


@cache
def _without_runs() -> Path:
    """Let MLflow make a database: one for all processes of these tests, removed when they end."""
    if SHARED in os.environ:
        folder = Path(os.environ[SHARED])
    else:
        folder = Path(tempfile.mkdtemp(prefix="database"))
        atexit.register(shutil.rmtree, folder)
    with FileLock(folder / "database.lock"):
        if not (folder / "mlflow.db").exists():
            Store(f"sqlite:///{folder / 'made.db'}", "Default")  # the experiment that each database begins with
            (folder / "made.db").rename(folder / "mlflow.db")
    return folder / "mlflow.db"
