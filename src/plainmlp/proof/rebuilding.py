"""The code that a run is executed again with: this checkout's, or that of the run's commit and changes, rebuilt."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.config.code import digest_result_code
from plainmlp.system.command import INTERRUPTED, TERMINATED
from plainmlp.system.errors import InputError, TrainingError

MODULE = "plainmlp.proof.reexecution"
OFFER = "--here takes the code of this checkout"
SHORT = 12  # digits of a commit that are shown


class ExecutionError(TrainingError):
    """Report that a training failed which did not when it was recorded."""


@dataclass(frozen=True)
class Source:
    """A checkout of code.

    Parameters
    ----------
    root : Path
    description : str
        Which code it is.
    """

    root: Path
    description: str


@contextmanager
def source_of(tags: Mapping[str, str], patch: Path, checkout: Path, *, is_here: bool) -> Iterator[Source]:
    """Give the code of a run.

    Parameters
    ----------
    tags : mapping of str to str
        The run's.
    patch : Path
        What its checkout had that its commit has not; need not exist where there was no such thing.
    checkout : Path
        This one.
    is_here : bool
        Take the code of this checkout whatever the run's was.

    Raises
    ------
    InputError
        The code of the run cannot be rebuilt.
    """
    if is_here:
        yield Source(checkout, "the code of this checkout, as --here asks")
    elif tags.get("code_digest") == digest_result_code():
        yield Source(checkout, "the code of this checkout, which has the run's code_digest")
    else:
        commit = _commit_of(tags, patch, checkout)
        with _worktree(commit, patch, checkout) as root:
            changes = " and changes.patch" if patch.exists() else ""
            yield Source(root, f"the code of commit {commit[:SHORT]}{changes}, rebuilt")


def _commit_of(tags: Mapping[str, str], patch: Path, checkout: Path) -> str:
    """Return the commit of a run, once it is known to be here with all that the run's checkout had beside it."""
    commit = tags.get("git_commit")
    if commit is None:
        message = f"the run has no git_commit, so its code cannot be rebuilt; {OFFER}"
    elif _git(checkout, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        message = (
            f"git_commit = {commit} is not in this repository, so its code cannot be rebuilt; fetch it, or {OFFER}"
        )
    elif tags.get("git_dirty") != "false" and not patch.exists():
        message = (
            f"the run has no file of the changes beside commit {commit[:SHORT]}, so its code cannot be rebuilt; {OFFER}"
        )
    else:
        return commit
    raise InputError(message)


@contextmanager
def _worktree(commit: str, patch: Path, checkout: Path) -> Iterator[Path]:
    """Give a clean worktree of a commit with a patch applied, and remove it afterwards."""
    with TemporaryDirectory(prefix="plainmlp-") as folder:
        root = Path(folder) / "code"
        try:
            _done(_git(checkout, "worktree", "add", "--quiet", "--detach", str(root), commit))
            if patch.exists():
                _done(_git(root, "apply", "--whitespace=nowarn", str(patch)))
            if not (root / "src" / Path(*MODULE.split("."))).with_suffix(".py").exists():
                message = f"commit {commit[:SHORT]} cannot execute a run again: it is older than verify; {OFFER}"
                raise InputError(message)
            yield root
        finally:
            _git(checkout, "worktree", "remove", "--force", "--force", str(root))


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-c", "core.hooksPath=/dev/null", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603  git itself


def _done(ended: subprocess.CompletedProcess[str]) -> None:
    """Make sure that git did what it was asked."""
    if ended.returncode:
        message = f"the code of the run cannot be rebuilt: {' '.join(ended.stderr.split())}; {OFFER}"
        raise InputError(message)


def execute(source: Source, configuration: Path, folder: Path) -> None:
    """Execute a configuration with some code, in a process of its own.

    Parameters
    ----------
    source : Source
    configuration : Path
        The config.yaml of a run.
    folder : Path
        Takes the results.

    Raises
    ------
    InputError
        What the code says of the configuration or of its files.
    ExecutionError
        The training failed.
    TrainingError
        The process broke off.
    """
    # -P: nothing of the current folder is imported
    command = [sys.executable, "-P", "-m", MODULE, str(configuration), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(source.root / "src")}
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603  our own
    if ended.returncode:
        raise _failure(ended)


def _failure(ended: subprocess.CompletedProcess[str]) -> BaseException:
    """Return what the end of a re-execution means."""
    if ended.returncode in {INTERRUPTED, TERMINATED}:
        return KeyboardInterrupt()
    line = (ended.stderr.strip().splitlines() or [f"code {ended.returncode}"])[-1]
    message = line.removeprefix("error: ")
    if message == line:  # not one of the ways in which our commands end
        return TrainingError(f"the re-execution broke off: {line}")
    return InputError(message) if ended.returncode == InputError.exit_code else ExecutionError(message)
