"""The repository of the running code: its commit, and how the code in the checkout differs from it."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from plainmlp.tracking.credentials import without_credentials

FAILURES = (OSError, subprocess.CalledProcessError)
# what the code is: a change elsewhere, such as of results that are committed, makes no run dirty
CODE = ("src", "conf", "pipelines", "overrides.yaml", "requirements.lock", "pyproject.toml")
PLACES = ("--path-format=absolute", "--git-path", "index", "--git-path", "objects")
DIFF = ("diff-index", "--cached", "--patch", "--binary", "--full-index", "--no-renames")
WHOLE_TEXT = ("--text", f"--unified={2**30}")


@dataclass(frozen=True)
class Repository:
    """The code of a checkout.

    Parameters
    ----------
    commit : str
        The commit that is checked out.
    patch : bytes, optional
        What `git apply` needs to turn a clean checkout of the commit into this one, as far as `CODE` goes: changes of
        tracked files, and new files that are not ignored. Empty if there are none; None if it is unknown, because a
        file cannot be read or because the patch would hold credentials.
    """

    commit: str
    patch: bytes | None

    def tags(self) -> dict[str, str]:
        """Return `git_commit`, `git_dirty` and, if that is true, `git_diff_digest`, the SHA-256 of the patch."""
        if self.patch is None:
            return {"git_commit": self.commit, "git_dirty": "unknown"}
        if not self.patch:
            return {"git_commit": self.commit, "git_dirty": "false"}
        digest = hashlib.sha256(self.patch).hexdigest()
        return {"git_commit": self.commit, "git_dirty": "true", "git_diff_digest": digest}


def read_repository(root: Path) -> Repository | None:
    """Return the state of a checkout, or None if there is no git, no repository or no commit.

    Notes
    -----
    This leaves the checkout's index and objects alone: it gathers the changes in an index of its own.
    """
    try:
        answer = _Git(root).run("rev-parse", *PLACES, "HEAD")
    except FAILURES:
        return None
    index, objects, commit = os.fsdecode(answer).splitlines()
    try:
        with _own_index(root, Path(index), Path(objects)) as git:
            return Repository(commit, _patch(git))
    except FAILURES:
        return Repository(commit, None)


class _Git:
    """Git in a folder, with variables of its own."""

    def __init__(self, root: Path, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        self._root, self._environment = root, {**os.environ, **variables}

    def run(self, *words: str, given: bytes = b"") -> bytes:
        """Return git's output; raise one of `FAILURES` if git fails or is missing."""
        command = ["git", "-c", "core.fsmonitor=false", "-c", "core.safecrlf=false", *words]
        return subprocess.run(  # noqa: S603  git itself
            command, cwd=self._root, env=self._environment, input=given, capture_output=True, check=True
        ).stdout


@contextmanager
def _own_index(root: Path, index: Path, objects: Path) -> Iterator[_Git]:
    """Give git a copy of the checkout's index, and a place of its own for new objects."""
    with TemporaryDirectory() as folder:
        own = Path(folder) / "index"
        if index.exists():
            shutil.copy2(index, own)  # with its time, by which git knows which files to look into again
        others = (str(objects), os.environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", ""))
        variables = {
            "GIT_INDEX_FILE": str(own),
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(filter(None, others)),
        }
        yield _Git(root, variables)


def _patch(git: _Git) -> bytes | None:
    """Return the changes of the code as one patch, or None if it would hold credentials."""
    places = [f":(top){place}" for place in CODE]
    git.run("add", "--update", "--", ":/")
    untracked = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", *places).split(b"\0")
    names = [name for name in untracked if name and not name.endswith(b"/")]  # a repository in this one is left out
    git.run("update-index", "--add", "-z", "--stdin", given=b"\0".join(names))
    patch = git.run(*DIFF, "HEAD", "--", *places)
    is_binary = b"GIT binary patch\n" in patch  # and compressed, so that credentials in it would not show
    readable = git.run(*DIFF, *WHOLE_TEXT, "HEAD", "--", *places) if is_binary else patch
    return None if _holds_credentials(readable) else patch


def _holds_credentials(content: bytes) -> bool:
    text = content.decode(errors="surrogateescape")
    return without_credentials(text) != text
