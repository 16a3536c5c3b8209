"""The repository of the running code: its commit, and how the checkout's code differs from it."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file
from plainmlp.tracking.credentials import find_secrets

FAILURES = (InputError, OSError, subprocess.CalledProcessError)
# what the code is: a change elsewhere, such as of results that are committed, makes no run dirty
CODE = ("src", "conf", "pipelines", "overrides.yaml", "requirements.lock", "pyproject.toml")
PATHS = tuple(f":(top){place}" for place in CODE)
PLACES = ("--path-format=absolute", "--git-path", "index", "--git-path", "objects")
DIFF = ("diff-index", "--cached", "--patch", "--binary", "--full-index", "--no-renames")
WHOLE_TEXT = ("--text", f"--unified={2**30}")
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
LARGEST_FILE = 1_000_000  # bytes of a file that git does not know: of a larger one only the digest is recorded
LONGEST_TAG = 8000
Git = Callable[..., bytes]  # words for git, and what it is given, to its output


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
        file cannot be read or because the patch would hold secrets.
    left_out : tuple of str
        New files that are too large for a patch, each with its SHA-256.
    secrets : tuple of str
        Which lines of the patch seem to hold secrets, as `find_secrets` notes them.
    """

    commit: str
    patch: bytes | None
    left_out: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def tags(self) -> dict[str, str]:
        """Return `git_commit`, `git_dirty`, `git_diff_digest`, the SHA-256 of a patch, and `git_left_out` if any is."""
        is_dirty = "unknown" if self.patch is None else "true" if self.patch or self.left_out else "false"
        tags = {"git_commit": self.commit, "git_dirty": is_dirty}
        if self.patch:
            tags["git_diff_digest"] = hashlib.sha256(self.patch).hexdigest()
        return {**tags, "git_left_out": ", ".join(self.left_out)[:LONGEST_TAG]} if self.left_out else tags

    def warnings(self) -> list[str]:
        """Return a line for each part of the code that is not recorded and cannot be rebuilt."""
        lines = [
            f"{each.rpartition(' ')[0]} is over 1 MB and not in git: only its digest is recorded"
            for each in self.left_out
        ]
        if self.secrets:
            found = ", ".join(self.secrets)
            lines.append(f"changes.patch is not recorded, since it seems to hold secrets: {found}")
        return lines


def read_repository(root: Path) -> Repository | None:
    """Return the state of a checkout, or None if there is no git, no repository or no commit.

    Notes
    -----
    This leaves the checkout's index and objects alone: it gathers the changes in an index of its own.
    """
    try:
        answer = _run(root, {}, "rev-parse", *PLACES, "HEAD")
    except FAILURES:
        return None
    index, objects, commit = os.fsdecode(answer).splitlines()
    try:
        with _own_index(root, Path(index), Path(objects)) as git:
            left_out = _gather(git, root)
            return _without_secrets(git, Repository(commit, git(*DIFF, "HEAD", "--", *PATHS), left_out))
    except FAILURES:
        return Repository(commit, None)


def _run(root: Path, variables: Mapping[str, str], *words: str, given: bytes = b"") -> bytes:
    """Return the output of git in a folder, under further variables; raise one of `FAILURES` if it fails or is missing."""
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.safecrlf=false", *words]
    return subprocess.run(  # noqa: S603  git itself
        command, cwd=root, env={**os.environ, **variables}, input=given, capture_output=True, check=True
    ).stdout


@contextmanager
def _own_index(root: Path, index: Path, objects: Path) -> Iterator[Git]:
    """Give git a copy of the checkout's index, and a separate place for new objects."""
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
        yield partial(_run, root, variables)


def _gather(git: Git, root: Path) -> tuple[str, ...]:
    """Bring the code of a checkout into git's index; return the new files that are too large, with their digests."""
    git("add", "--update", "--", ":/")
    untracked = git("ls-files", "-z", "--others", "--exclude-standard", "--", *PATHS).split(b"\0")
    names = [name for name in untracked if name and not name.endswith(b"/")]  # a repository in this one is left out
    large = {name for name in names if (root / os.fsdecode(name)).lstat().st_size > LARGEST_FILE}
    git("update-index", "--add", "-z", "--stdin", given=b"\0".join(name for name in names if name not in large))
    return tuple(
        f"{name.decode(errors='backslashreplace')} {digest_file(root / os.fsdecode(name))}" for name in sorted(large)
    )


def _without_secrets(git: Git, found: Repository) -> Repository:
    """Leave out a patch that seems to hold secrets."""
    readable = found.patch or b""
    if b"GIT binary patch\n" in readable:  # it is compressed, so that secrets in it would not show
        readable = git(*DIFF, *WHOLE_TEXT, "HEAD", "--", *PATHS)
    files = groupby(_lines(readable.decode(errors="surrogateescape")), itemgetter(0))
    secrets = [note for name, lines in files for note in find_secrets(((n, text) for _, n, text in lines), name)]
    return replace(found, patch=None, secrets=tuple(secrets)) if secrets else found


def _lines(diff: str) -> Iterator[tuple[str, int, str]]:
    """Yield every line of a diff, with its file and its number (in the earlier file for removed lines)."""
    name, earlier, later, n_earlier, n_later = "", 0, 0, 0, 0
    for line in diff.split("\n"):
        if line.startswith("\\"):  # No newline at end of file
            continue
        if n_earlier + n_later:
            is_removed, is_added = line.startswith("-"), line.startswith("+")
            yield name, earlier if is_removed else later, line[1:]
            earlier, n_earlier = earlier + (not is_added), n_earlier - (not is_added)
            later, n_later = later + (not is_removed), n_later - (not is_removed)
        elif hunk := HUNK.match(line):
            earlier, n_earlier, later, n_later = (1 if number is None else int(number) for number in hunk.groups())
        elif line.startswith(("--- ", "+++ ")) and line[4:] != "/dev/null":
            name = line[4:].strip('"\t')[2:]
