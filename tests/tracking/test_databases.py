"""MLflow's SQLite databases: the tables of the first are kept for the next, and nothing else of it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from plainmlp.tracking.store import Store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that has seen a database made."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        opened(folder / "first", monkeypatch)
    return folder / "cache"


@pytest.fixture
def kept(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the database in a cache of this test's own."""
    shutil.copytree(filled, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (kept,) = (tmp_path / "cache" / "plainmlp" / "databases").iterdir()
    return kept


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Open a store in a new folder."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Store(f"sqlite:///{folder / 'mlflow.db'}", "plainmlp")


def execute(database: Path, statement: str) -> list[tuple[object, ...]]:
    """Execute a statement in a database."""
    with closing(sqlite3.connect(database)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_second_database_is_a_copy_with_folders_of_its_own(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(kept, "CREATE TABLE from_the_cache (name)")
    store = opened(tmp_path / "second", monkeypatch)
    assert execute(Path("mlflow.db"), "SELECT * FROM sqlite_master WHERE name = 'from_the_cache'")
    experiments = store.client.search_experiments()
    assert {each.name for each in experiments} == {"Default", "plainmlp"}
    assert all(str(tmp_path / "second") in each.artifact_location for each in experiments)


def test_nothing_of_a_database_but_its_tables_is_kept(kept: Path, filled: Path) -> None:
    names = [str(name) for (name,) in execute(kept, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {name for name in names if execute(kept, f"SELECT * FROM {name}")}
    assert rows == {"alembic_version", "workspaces"}
    assert str(filled.parent).encode() not in kept.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 100_000])
def test_damaged_copy_is_not_taken(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    whole = kept.read_bytes()
    kept.write_bytes(whole[:size])
    opened(tmp_path / "second", monkeypatch)
    assert len(kept.read_bytes()) == len(whole)  # kept anew


@pytest.mark.slow
def test_without_a_cache_mlflow_makes_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/version")
    assert isinstance(opened(tmp_path / "first", monkeypatch).client, MlflowClient)
