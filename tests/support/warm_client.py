"""Be ``python`` or ``dvc`` for those who find it on their PATH: scripts run in a fork of `warm.py`, all else in a new Python."""

import json
import os
import signal
import socket
import sys

SOCKET = "socket"


def main() -> None:
    """Hand words, variables, folder and standard streams over, pass signals on, and end as the process did."""
    folder, program = os.path.split(os.path.abspath(sys.argv[0]))  # noqa: PTH100
    words = sys.argv[1:]
    if program != "python":  # a script that stands beside the real one
        words = [os.path.join(os.path.dirname(sys.executable), program), *words]  # noqa: PTH118, PTH120
    if program != "python" or (words and words[0].endswith(".py")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(os.path.join(folder, SOCKET))  # noqa: PTH118
            request = {"words": words, "variables": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
            socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
            answer = connection.recv(64)
            if answer != b"cold":
                end_like(follow(connection, int(answer)))
    os.execv(sys.executable, [sys.executable, *words])


def follow(connection: socket.socket, process: int) -> int:
    """Pass signals on to a process until it has ended, and return its status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(process, number))
    return int(connection.recv(64))


def end_like(status: int) -> None:
    """End with the code or by the signal of another process."""
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main()
