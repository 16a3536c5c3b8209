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
OFFER = "or pass --here to use the code of this checkout"
SHOWN_DIGITS = 12  # of a commit


class ExecutionError(TrainingError):
    """Report that a training failed which had succeeded when it was recorded."""


@dataclass(frozen=True)
class Source:
    """A checkout of code, and a description of which code it is."""

    root: Path
    description: str


@contextmanager
def source_of(tags: Mapping[str, str], patch: Path, checkout: Path, *, is_here: bool) -> Iterator[Source]:
    """Give the code of a run: this checkout's, if that is asked for or the same, else that of its commit and patch.

    Raise InputError if it cannot be rebuilt. There is no patch if the run's checkout was clean.
    """
    if is_here:
        yield Source(checkout, "the code of this checkout, as --here asks")
    elif tags.get("code_digest") == digest_result_code():
        yield Source(checkout, "the code of this checkout, which has the run's code_digest")
    else:
        commit = _commit_of(tags, patch, checkout)
        with _worktree(commit, patch, checkout) as root:
            changes = " and changes.patch" if patch.exists() else ""
            yield Source(root, f"the code of commit {commit[:SHOWN_DIGITS]}{changes}, rebuilt")


def _commit_of(tags: Mapping[str, str], patch: Path, checkout: Path) -> str:
    """Return the commit of a run, once it and the changes beside it are known to be here."""
    commit = tags.get("git_commit")
    if commit is None:
        reason = "the run has no git_commit"
    elif _git(checkout, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        reason = f"git_commit = {commit} is not in this repository"
    elif tags.get("git_dirty") != "false" and not patch.exists():
        reason = f"the run has no file of the changes beside commit {commit[:SHOWN_DIGITS]}"
    else:
        return commit
    message = f"{reason}, so its code cannot be rebuilt; fetch what is missing, {OFFER}"
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
                message = f"commit {commit[:SHOWN_DIGITS]} cannot execute a run again: it is older than verify; check out a later one, {OFFER}"
                raise InputError(message)
            yield root
        finally:
            _git(checkout, "worktree", "remove", "--force", "--force", str(root))


def _git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-c", "core.hooksPath=/dev/null", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603  git itself


def _done(ended: subprocess.CompletedProcess[str]) -> None:
    """Raise InputError if git failed."""
    if ended.returncode:
        message = f"the code of the run cannot be rebuilt: {' '.join(ended.stderr.split())}; mend that, {OFFER}"
        raise InputError(message)


def execute(source: Source, configuration: Path, folder: Path) -> None:
    """Execute the config.yaml of a run with some code, in a process of its own that writes the results to a folder.

    Raise InputError for an impossible configuration, ExecutionError for a failed training, TrainingError for a crash.
    """
    # -P: nothing of the current folder is imported
    command = [sys.executable, "-P", "-m", MODULE, str(configuration), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(source.root / "src")}
    ended = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)  # noqa: S603  our own
    if ended.returncode:
        raise _failure(ended)


def _failure(ended: subprocess.CompletedProcess[str]) -> BaseException:
    """Return the meaning of the end of a re-execution."""
    if ended.returncode in {INTERRUPTED, TERMINATED}:
        return KeyboardInterrupt()
    line = (ended.stderr.strip().splitlines() or [f"code {ended.returncode}"])[-1]
    message = line.removeprefix("error: ")
    if message == line:  # our own commands end with this word
        return TrainingError(f"the re-execution crashed: {line}")
    return InputError(message) if ended.returncode == InputError.exit_code else ExecutionError(message)
