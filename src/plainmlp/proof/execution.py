"""A training executed again: in a separate process, isolated and limited, that leaves nothing but files."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from plainmlp.proof.rebuilding import MODULE, Source
from plainmlp.system.errors import InputError, TrainingError
from plainmlp.system.wording import printable

LONGEST_LINE = 4096  # bytes of a process's last line
HIDDEN = ("MLFLOW_", "PYTHON")  # prefixes of environment variables that a training does not need
INSTALLED = ("site-packages", "dist-packages")  # names of the folders that pip installs into; the second is Debian's
# -I and -S: no variables, no user folder, no sitecustomize and no .pth; packages come after the code
START = """
import resource, runpy, sys
size, source, packages, *sys.argv = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
limit = int(size) if hard < 0 else min(int(size), hard)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.path[:0] = [source]
sys.path += packages.split(":")
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class ExecutionError(TrainingError):
    """Report a training that fails now, and succeeded when it was recorded."""


def execute(
    source: Source, configuration: Path, folder: Path, seconds: float, memory: int, *, is_quiet: bool = False
) -> None:
    """Train as config.yaml says, with the code of a source, in a process that writes model and history to a folder.

    It may take so many seconds, and fill so many bytes of memory. Code that is not this checkout's prints nothing; with
    `is_quiet` no code does.

    Raises
    ------
    InputError
        The configuration is impossible, or a limit was reached.
    ExecutionError
        The training failed, or left other things than files.
    TrainingError
        The process crashed.
    """
    packages = [path for path in sys.path if Path(path).name in INSTALLED]
    paths = [str(memory), str(source.root / "src"), ":".join(packages), MODULE, str(configuration), str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603  the code that `source_of` gives
            [sys.executable, "-I", "-S", "-c", START, *paths],
            env={name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if source.remark or is_quiet else None,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            message = f"the re-execution was stopped after {seconds:g} s; give it more with --time-limit"
            raise InputError(message) from None
        finally:
            with suppress(ProcessLookupError):  # end whatever it has started, too
                os.killpg(process.pid, signal.SIGKILL)
        if code:
            raise _failure(code, _last_line(errors))
    _refuse_others(folder)


def _last_line(errors: BinaryIO) -> str:
    """Return the last line that a process printed."""
    errors.seek(max(0, os.fstat(errors.fileno()).st_size - LONGEST_LINE))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return printable(lines[-1]) if lines else ""


def _failure(code: int, line: str) -> Exception:
    """Return the error for a re-execution that failed."""
    message = line.removeprefix("error: ")
    if message == line:  # our own commands end with this word
        more = "; give it more memory with --memory-limit" if "Memory" in line else ""
        return TrainingError(f"the re-execution crashed: {line or f'code {code}'}{more}")
    return InputError(message) if code == InputError.exit_code else ExecutionError(message)


def _refuse_others(folder: Path) -> None:
    """Refuse links, pipes and devices among the results."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            message = f"the training left {printable(path.name)!r}, which is not a file"
            raise ExecutionError(message)
