"""Real MLflow servers that stop, go on, die and come back, and ports behind which nobody answers."""

import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from script import Script

SECONDS_TO_START = 120
SERVER = Path(__file__).with_name("mlflow_server.py")
EXPERIMENTS = "api/2.0/mlflow/experiments/search?max_results=1"


class Server:
    """An MLflow server of its own on a database in a folder; it does not outlive this process, however that ends.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.database = folder / "mlflow.db"
        self._folder, self._log = folder, folder / "server.log"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._script: Script | None = None

    def start(self) -> None:
        """Start it, and return once it answers."""
        words = [str(self.database), str(self._folder / "artifacts"), str(self.port)]
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
def serving(folder: Path) -> Iterator[Server]:
    """Give a server that has started, and end it."""
    server = Server(folder)
    server.start()
    try:
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
