"""Scripts that run while a test watches, and that it signals and kills."""

import json
import os
import select
import signal
import socket
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import warm_client
from checkouts import warm_environment, warm_programs


class Script:
    """A script in a fork of `warm.py`, which leads a session and group of its own; used as a `subprocess.Popen`.

    Parameters
    ----------
    folder : Path
        Where it runs.
    words : str
        The script and its arguments.
    output, errors : file, optional
        What it says goes there; by default `communicate` returns it.
    """

    def __init__(self, folder: Path, *words: str, output: IO[str] | None = None, errors: IO[str] | None = None) -> None:
        self._opened = ExitStack()
        self._output = output or self._opened.enter_context(_scratch())
        self._errors = errors or self._opened.enter_context(_scratch())
        self._connection = self._opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        self._connection.connect(str(warm_programs() / warm_client.SOCKET))
        request = {"words": words, "variables": warm_environment(), "folder": str(folder)}
        with Path(os.devnull).open(encoding="utf-8") as nothing:
            streams = [stream.fileno() for stream in (nothing, self._output, self._errors)]
            socket.send_fds(self._connection, [json.dumps(request).encode()], streams)
        self.pid = int(self._connection.recv(64))  # a word instead where the variables want another Python
        self.returncode: int | None = None

    def __enter__(self) -> "Script":
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it with its group, if it has not ended."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        self._opened.close()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Return its code, or the negative number of the signal that ended it, or None as long as it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = os.waitstatus_to_exitcode(int(self._connection.recv(64)))
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most so many seconds."""
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise TimeoutError
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; return what it said on its standard output and of errors."""
        self.wait(timeout)
        said = []
        for stream in (self._output, self._errors):
            stream.seek(0)
            said.append(stream.read())
        return said[0], said[1]


def _scratch() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")
