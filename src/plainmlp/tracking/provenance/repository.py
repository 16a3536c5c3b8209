"""The repository that the running code is from: its commit, and what the checkout has that the commit has not."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from plainmlp.tracking.addresses import without_credentials

FAILURES = (OSError, subprocess.CalledProcessError)
SUBMODULE = b"160000"
UNTRACKED = ("src", "conf", "pipelines")  # where a file counts that git does not know yet
PLACES = ("--path-format=absolute", "--git-path", "index", "--git-path", "objects")
DIFF = ("diff-index", "--cached", "--patch", "--binary", "--full-index", "--no-renames")
# the second hunk of a binary patch leads back; the bytes that are gone would stand in it
WAY_BACK = re.compile(
    rb"(GIT binary patch\n(?:literal|delta) \d+\n(?:[^\n]+\n)*\n)(?:literal|delta) \d+\n(?:[^\n]+\n)*\n"
)


@dataclass(frozen=True)
class Repository:
    """A checkout.

    Parameters
    ----------
    commit : str
        The commit that is checked out.
    patch : bytes, optional
        What `git apply` makes of a clean checkout of the commit to have this one: every change of a tracked file, and
        the untracked files of `UNTRACKED` that are not ignored. Empty where there is none; None where that cannot be
        said, such as of a file that cannot be read.
    """

    commit: str
    patch: bytes | None

    def tags(self) -> dict[str, str]:
        """Return `git_commit`, `git_dirty` and, where that is true, `git_diff_digest`, the SHA-256 of the patch."""
        if self.patch is None:
            return {"git_commit": self.commit, "git_dirty": "unknown"}
        if not self.patch:
            return {"git_commit": self.commit, "git_dirty": "false"}
        digest = hashlib.sha256(self.patch).hexdigest()
        return {"git_commit": self.commit, "git_dirty": "true", "git_diff_digest": digest}


def read_repository(root: Path) -> Repository | None:
    """Return the state of a checkout, or None where there is no git, no repository or no commit.

    Parameters
    ----------
    root : Path
        Of the checkout.

    Notes
    -----
    Neither the index of the checkout nor its objects are touched: the changes are gathered in an index of our own.
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
        """Return what git says; one of `FAILURES` where it fails or there is none."""
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


def _patch(git: _Git) -> bytes:
    """Return the changes of the checkout as one patch, without the credentials of addresses."""
    git.run("add", "--update", "--", ":/")
    untracked = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", *UNTRACKED).split(b"\0")
    names = [name for name in untracked if name and not name.endswith(b"/")]  # a repository in this one is left out
    git.run("update-index", "--add", "-z", "--stdin", given=b"\0".join(names))
    patch = git.run(*DIFF, "HEAD")
    return patch if _masked(patch) == patch else _patch_without_credentials(git)


def _patch_without_credentials(git: _Git) -> bytes:
    """Return the changes with masks in what is new, and without a byte of what they replace or stand beside.

    A mask in those lines of a patch would keep it from applying, so all files are taken for binary ones here.
    """
    listing = git.run("diff-index", "--cached", "-z", "--no-renames", "--diff-filter=d", "HEAD").split(b"\0")
    for fields, name in zip(listing[:-1:2], listing[1::2], strict=True):
        _, mode, _, digest, _ = fields.split(b" ")
        content = b"" if mode == SUBMODULE else git.run("cat-file", "blob", digest.decode())
        if _masked(content) != content:
            new = git.run("hash-object", "-w", "--stdin", given=_masked(content)).strip()
            git.run("update-index", "-z", "--index-info", given=b"%s %s\t%s\0" % (mode, new, name))
    patch = WAY_BACK.sub(rb"\1", git.run("-c", "diff.default.binary=true", *DIFF, "HEAD"))
    if _masked(patch) != patch:  # .gitattributes makes a text of it all the same
        message = "a committed file with credentials has changed"
        raise OSError(message)
    return patch


def _masked(content: bytes) -> bytes:
    return without_credentials(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")
