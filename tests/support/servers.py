"""Real MLflow servers that stop, go on, die and come back, and ports behind which nobody answers."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from checkouts import environment
from script import Script

SECONDS_TO_START = 120
SERVER = Path(__file__).with_name("mlflow_server.py")
EXPERIMENTS = "api/2.0/mlflow/experiments/search?max_results=1"


# It starts a program, and ends all of its group with it or when its own input ends, as it does with whoever holds it.
GUARD = """
import contextlib, os, select, signal, subprocess, sys
SECONDS = 0.1
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)
print(program.pid, flush=True)
while program.poll() is None and not select.select([0], [], [], SECONDS)[0]:
    pass
with contextlib.suppress(ProcessLookupError):
    os.killpg(program.pid, signal.SIGKILL)
"""


class Group:
    """A process in a group of its own with all that it starts; it does not outlive this process, however that ends.

    Parameters
    ----------
    words : sequence of str
        What is started.
    log : Path
        What it says is written there, after what the file holds.
    variables : str
        For its environment.
    """

    def __init__(self, words: Sequence[str | Path], log: Path, **variables: str) -> None:
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-IS", "-c", GUARD, *words],
                env=environment(**variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert self._guard.stdout is not None
        self._number = int(self._guard.stdout.readline())

    def runs(self) -> bool:
        return self._guard.poll() is None

    def signal(self, number: int) -> None:
        if self.runs():
            os.killpg(self._number, number)

    def kill(self) -> None:
        """End all of it, whatever it does."""
        with self._guard:  # whose input ends with the block
            pass


class Server:
    """An MLflow server of its own on a database in a folder; it does not outlive this process, however that ends.

    Parameters
    ----------
    folder : Path
    store : str, optional
        The address of its database; one in the folder if there is none.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.database = folder / "mlflow.db"
        self._store = store or f"sqlite:///{self.database}"
        self._folder, self._log = folder, folder / "server.log"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._script: Script | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        words = [self._store, str(self._folder / "artifacts"), str(self.port)]
        with self._log.open("a") as log:
            self._script = Script(self._folder, str(SERVER), *words, output=log, errors=log)
        until = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            assert self._script.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        """Say whether it reads its database, which it is not quick to do at first; its health it can tell before."""
        try:
            with urllib.request.urlopen(f"{self.address}/{EXPERIMENTS}", timeout=SECONDS_TO_START) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Let it stop where it is: it takes connections in and says nothing."""
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it stopped."""
        if self._started().poll() is None:
            self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        self._started().send_signal(number)

    @property
    def pid(self) -> int:
        return self._started().pid

    def kill(self) -> None:
        """End it, whatever it does."""
        with self._started():
            pass

    def _started(self) -> Script:
        assert self._script is not None
        return self._script


@contextmanager
def serving(folder: Path, store: str | None = None) -> Iterator[Server]:
    """Give a server that has started, and end it."""
    server = Server(folder, store)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def swallowing_port() -> Iterator[int]:
    """Give a port whose queue of connections is full: what comes after is never even refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
        for filler in fillers:
            filler.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """Give a port that takes connections in and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
