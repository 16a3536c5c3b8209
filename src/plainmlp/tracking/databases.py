"""MLflow's SQLite databases, made whole or not at all: from an empty one in the user's cache, if there is one."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from errno import ENOSPC
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile, disk_usage
from uuid import uuid4

from plainmlp.system.errors import StorageError
from plainmlp.system.files import replace_file, user_cache
from plainmlp.system.process import held
from plainmlp.tracking.addresses import SQLITE, database_file

MIN_ROOM = 4e6  # bytes that a new database takes, with its journal
EMPTY = Path("databases")  # in the user's cache, a database for each version of MLflow


@contextmanager
def locked(address: str) -> Iterator[None]:
    """Let one process at a time create a database; several at once would damage it for good."""
    database = database_file(address)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with held(Path(f"{database}.lock")):
        database.open("ab").close()  # MLflow would try for minutes to open what cannot be opened
        if not database.stat().st_size:
            _make(database)
        yield


def _make(database: Path) -> None:
    """Make a database whole or not at all; MLflow cannot repair a half-made one."""
    from mlflow import MlflowClient

    _remove_unfinished(database)  # of a process that was killed
    # with a name of its own: MLflow keeps a connection open, also to a file that is gone
    temporary = database.with_name(f".{database.name}.{uuid4().hex}")
    empty = user_cache() / EMPTY / f"{version('mlflow')}.db"
    try:
        if not _copy(empty, temporary):
            MlflowClient(f"{SQLITE}{temporary}")
            _keep(temporary, empty)
        temporary.replace(database)
    except Exception as error:
        if disk_usage(database.parent).free > MIN_ROOM:
            raise
        raise StorageError(ENOSPC, os.strerror(ENOSPC), str(database)) from error
    finally:
        _remove_unfinished(database)


def _copy(empty: Path, database: Path) -> bool:
    """Copy an empty database, since MLflow makes its tables in hundreds of transactions; say whether the copy is valid."""
    if not empty.is_file():
        return False
    copyfile(empty, database)
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database)) as connection:
        connection.execute("SELECT version_num FROM alembic_version")  # fails in an empty file
        if connection.execute("PRAGMA quick_check").fetchone() == ("ok",):
            return True
    database.unlink()
    return False


def _keep(made: Path, empty: Path) -> None:
    """Keep the tables of a new database for the next, without MLflow's first experiment, which names a folder."""
    with suppress(OSError, sqlite3.Error), replace_file(empty) as temporary:  # without it the next takes longer
        copyfile(made, temporary)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute("DELETE FROM experiments")
            connection.execute("VACUUM")  # else its bytes stay in the file


def _remove_unfinished(database: Path) -> None:
    """Remove unfinished databases that no process makes any more, and their journals."""
    for path in database.parent.glob(f".{database.name}.*"):
        path.unlink()
