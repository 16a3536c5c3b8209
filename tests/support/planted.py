"""Changes that are planted in a tracked run, in its files and in MLflow's database, and taken back."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from plainmlp.config.schema import Config
from plainmlp.proof.rebuilding import Source
from plainmlp.proof.recorded import RunFiles, read_recorded
from plainmlp.proof.reexecution import retrain
from plainmlp.proof.verdict import Judgement
from plainmlp.proof.verification import judge, measure_again
from plainmlp.system.files import digest_file
from plainmlp.tracking.recording.manifest import PASSING, file_entry, neutral
from plainmlp.tracking.store import Store
from plainmlp.tracking.tags import RECORD_TAG

TABLES = ("tags", "params", "metrics", "latest_metrics")


@dataclass(frozen=True)
class Target:
    """A run that MLflow has in a SQLite file, with its files in a folder."""

    store: Store
    database: Path
    artifacts: Path
    run_id: str

    def sql(self, statement: str, *values: object) -> None:
        """Execute a statement, whose condition on the run is added, and that must touch something."""
        with sqlite3.connect(self.database) as connection:
            assert connection.execute(f"{statement} run_uuid = ?", (*values, self.run_id)).rowcount > 0, statement

    def tag(self, key: str, value: str) -> None:
        """Set a tag, new or old."""
        self.store.client.set_tag(self.run_id, key, value)

    def untag(self, key: str) -> None:
        self.sql("DELETE FROM tags WHERE key = ? AND", key)

    def file(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change a file."""
        path = self.artifacts / name
        content = path.read_bytes()
        changed = change(content)
        assert changed != content
        path.write_bytes(changed)

    def remove(self, name: str) -> None:
        (self.artifacts / name).unlink()

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text in a file, once."""
        self.file(name, lambda content: content.replace(old.encode(), new.encode(), 1))

    def reseal(self) -> None:
        """Write a manifest of what is there, and its digest: the record agrees with itself again."""
        path = self.artifacts / "manifest.json"
        manifest, data = json.loads(path.read_text()), self.store.client.get_run(self.run_id).data
        path.unlink()
        found = {file.relative_to(self.artifacts).as_posix(): file for file in self.artifacts.rglob("*")}
        files = {name: file for name, file in found.items() if file.is_file()}
        manifest["files"] = {name: file_entry(file, self.run_id, manifest["record"]) for name, file in files.items()}
        manifest["metrics"] = {name: repr(value) for name, value in data.metrics.items()}
        passing = {*PASSING, RECORD_TAG, "mlflow.runName"}
        manifest["tags"] = {
            key: neutral(value, self.run_id, manifest["record"])
            for key, value in data.tags.items()
            if key not in passing
        }
        path.write_text(json.dumps(manifest))
        self.tag("manifest_digest", digest_file(path))

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Bring back everything at the end of the block."""
        aside = self.artifacts.with_name("aside")
        shutil.copytree(self.artifacts, aside)
        with sqlite3.connect(self.database) as connection:
            rows = {
                table: connection.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", (self.run_id,)).fetchall()
                for table in TABLES
            }
        try:
            yield
        finally:
            shutil.rmtree(self.artifacts)
            aside.rename(self.artifacts)
            with sqlite3.connect(self.database) as connection:
                for table, kept in rows.items():
                    connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (self.run_id,))
                    marks = ", ".join("?" * len(kept[0]))
                    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", kept)


@dataclass(frozen=True)
class Subject:
    """A target, the checkout that recorded it, and its re-execution, which planted changes share."""

    target: Target
    checkout: Path
    again: RunFiles

    def judged(self, folder: Path, plant: Callable[[Target], object], checkout: Path | None = None) -> Judgement:
        """Return the judgement on the run with a change, as `verify` comes to it."""
        with self.target.restored():
            plant(self.target)
            recorded = read_recorded(self.target.store, self.target.run_id, folder)
            return judge(recorded, self.again, checkout or self.checkout)


def target_of(store: Store, database: Path, run_id: str) -> Target:
    """Return a run of a store in a SQLite file as a target."""
    artifacts = url2pathname(urlsplit(store.client.get_run(run_id).info.artifact_uri).path)
    return Target(store, database, Path(artifacts), run_id)


def executed_again(config: Config, checkout: Path, folder: Path) -> RunFiles:
    """Return what the re-execution of a configuration comes to, in this process."""
    retrain(config, folder)
    return measure_again(config, Source(checkout, "test"), folder)
