"""MLflow databases without a run, copied from one: to make its tables takes MLflow hundreds of transactions."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from plainmlp.tracking.store import Store


def new_database(file: Path) -> str:
    """Write a database without a run, as MLflow makes it, and return its address."""
    shutil.copyfile(_without_runs(), file)
    return f"sqlite:///{file}"


@cache
def _without_runs() -> Path:
    """Let MLflow make a database, which is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="database"))
    atexit.register(shutil.rmtree, folder)
    Store(f"sqlite:///{folder / 'mlflow.db'}", "Default")  # the experiment that each database begins with
    return folder / "mlflow.db"
