"""A Python that has imported the slow libraries, and forks a process of its own for each script that it is asked to run.

Importing MLflow and what stands beside it costs three seconds a process. Started as ``python warm.py <number>`` with the
number of a listening socket, where `warm_client.py` asks, it ends with its standard input.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

LIBRARIES = (
    "dvc.cli.parser",
    "dvc.repo.reproduce",
    "dvc.scm",
    "hydra",
    "matplotlib.figure",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "networkx",
    "numba",
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "rich.progress",
    "safetensors.numpy",
    "scipy.stats",
    "sklearn.datasets",
)
REHEARSED = ("hydra", "matplotlib", "mlflow", "numba", "numpy")
PR_SET_CHILD_SUBREAPER = 36  # of prctl in Linux
SECONDS = 0.05  # between two looks for orphans that have ended
READ_AT_START = ("HOME", "LANG", "LC_", "MPL", "NPY_", "NUMBA_", "NVPL_", "OMP_", "OPENBLAS_", "PYTHON", "XDG_")


def serve(listener: socket.socket, standard_input: int) -> None:
    """Fork a process for every request, until the standard input ends."""
    while standard_input not in select.select([listener, standard_input], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            if os.fork() == 0:
                listener.close()
                watch(connection, standard_input)
                return
        _reap(os.WNOHANG)
    _reap(0)


def _reap(options: int) -> bool:
    """Collect children that have ended; say whether there are others."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, options) != (0, 0):
            pass
        return True
    return False


def rehearse(folder: Path) -> None:
    """Import the libraries, and use once what they take long to begin with."""
    for name in LIBRARIES:
        importlib.import_module(name)
    hydra, matplotlib, mlflow, numba, numpy = (sys.modules[name] for name in REHEARSED)
    hydra.core.override_parser.overrides_parser.OverridesParser.create().parse_override("number=1")
    figure = matplotlib.figure.Figure(layout="constrained")
    figure.subplots().imshow(numpy.eye(2))
    figure.savefig(folder / "figure.png")
    numba.njit(lambda number: number + 1)(1)
    mlflow.pyfunc.save_model(folder / "model", loader_module="json", pip_requirements=["numpy"])


def watch(connection: socket.socket, standard_input: int) -> None:
    """Run a script in a process of its own, tell how it ended, and end it where nobody waits for it any more."""
    message, handles, _, _ = socket.recv_fds(connection, 2**20, 3)
    request = json.loads(message)
    if _read_at_start(request["variables"]) != _read_at_start(dict(os.environ)):
        connection.send(b"cold")
        return
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = os.fork()
    if process == 0:
        os.setsid()
        connection.send(str(os.getpid()).encode())
        connection.close()
        become(handles, **request)
        return
    for handle in handles:
        os.close(handle)
    ended = os.pidfd_open(process)
    if ended not in select.select([connection, ended, standard_input], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(OSError):
        connection.send(str(status).encode())
    # what outlives the script is this process's now, which collects it as the first process of a machine does
    while _reap(os.WNOHANG) and not select.select([standard_input], [], [], SECONDS)[0]:
        pass
    os._exit(0)


def _read_at_start(variables: dict[str, str]) -> dict[str, str]:
    """Return the variables that Python and the libraries read when they start."""
    return {name: value for name, value in variables.items() if name.startswith(READ_AT_START)}


def become(handles: list[int], words: list[str], variables: dict[str, str], folder: str) -> None:
    """Be ``python`` with these words."""
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = words
    sys.path[0] = str(Path(words[0]).resolve().parent)
    for name in ("stdin", "stdout", "stderr"):
        _reopen(name)
    runpy.run_path(words[0], run_name="__main__")


def _reopen(name: str) -> None:
    """Let a standard stream be what its handle is now: a terminal, a pipe or a file."""
    before: Any = getattr(sys, f"__{name}__")
    after = open(  # noqa: SIM115  it stays open as long as the process lives
        before.fileno(), before.mode, encoding=before.encoding, errors=before.errors, closefd=False
    )
    after.reconfigure(
        line_buffering=before.line_buffering or after.line_buffering,
        write_through=before.write_through,  # type: ignore[call-arg]
    )
    setattr(sys, name, after)
    setattr(sys, f"__{name}__", after)


if __name__ == "__main__":
    own_input = os.dup(0)
    os.set_inheritable(int(sys.argv[1]), False)
    with tempfile.TemporaryDirectory() as scratch:
        rehearse(Path(scratch))
    gc.collect()
    gc.freeze()  # no fork looks through what was imported, which would take it a second and copy all of it
    serve(socket.socket(fileno=int(sys.argv[1])), own_input)
