"""A PostgreSQL of its own for a test, which refuses to run as root, and so runs as the user that Debian makes for it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import free_port

USER = "postgres"
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # not on the PATH


def program(name: str) -> str | None:
    """Return the path of one of PostgreSQL's programs, the newest that there is."""
    return shutil.which(name, path=os.pathsep.join([*map(str, reversed(DEBIAN)), os.environ.get("PATH", "")]))


class Cluster:
    """A PostgreSQL that listens on this machine, with all its files in a folder.

    Parameters
    ----------
    folder : Path
        Its owner is the user that PostgreSQL runs as.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._port = folder, free_port()

    def address(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self._port}/{database}"

    def run(self, name: str, *words: str | Path) -> str:
        """Run a program of PostgreSQL's against this cluster, and return what it said."""
        found = program(name)
        assert found is not None
        owner = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
        variables = {**os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(self._port), "PGUSER": USER}
        log = self.folder / "log"
        with log.open("ab") as errors:
            ended = subprocess.run(
                [found, *map(str, words)],
                check=False,
                cwd=self.folder,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=errors,
                **owner,
            )
        assert ended.returncode == 0, f"{name}: {log.read_text()}"
        return ended.stdout.decode()

    def start(self) -> None:
        data = self.folder / "data"
        self.run("initdb", "--username", USER, "--auth", "trust", "--no-sync", data)
        options = f"-p {self._port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run(
            "pg_ctl", "--pgdata", data, "--wait", "--log", self.folder / "server.log", "--options", options, "start"
        )

    def stop(self) -> None:
        self.run("pg_ctl", "--pgdata", self.folder / "data", "--mode", "immediate", "stop")


@contextmanager
def postgresql() -> Iterator[Cluster]:
    """Give a PostgreSQL that has started, and end it."""
    with tempfile.TemporaryDirectory(prefix="postgresql") as folder:  # not below pytest's, which only root may enter
        if os.geteuid() == 0:
            shutil.chown(folder, USER, USER)
        cluster = Cluster(Path(folder))
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
