"""The code with which a run is executed again: this checkout's, or the run's commit and changes, rebuilt.

Nothing in a record is executed unless it is this checkout's own, or the user allows it.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from plainmlp.config.code import digest_result_code
from plainmlp.system.errors import InputError
from plainmlp.system.files import digest_file
from plainmlp.system.wording import printable
from plainmlp.tracking.provenance.repository import CODE
from plainmlp.tracking.recording.manifest import own_copy, read_copy
from plainmlp.tracking.recording.provenance import PATCH, named_commit
from plainmlp.tracking.tags import RECORD_TAG

MODULE = "plainmlp.proof.reexecution"
APPLIED = ("src", "conf", "pipelines")  # what a patch may change; no training reads the other files of `CODE`
PLAIN_MODES = {"000000", "100644", "100755"}  # of files, and of none
OFFER = "or pass --here to use the code of this checkout"
SHOWN_DIGITS = 12  # of a commit
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """A checkout of code, a description of it, and a remark for the verdict unless it is this checkout's own code."""

    root: Path
    description: str
    remark: str = ""

    @property
    def package(self) -> Path:
        """Return the folder of the package."""
        return self.root / "src" / "plainmlp"


@contextmanager
def source_of(
    tags: Mapping[str, str],
    patch: Path,
    checkout: Path,
    *,
    is_here: bool = False,
    is_allowed: bool = False,
    show: Callable[[str], None] = print,
) -> Iterator[Source]:
    """Give the code of a run: this checkout's, if it is the same or `is_here` is set, else the run's commit and patch.

    The tags are those of the run, with its provenance; there is no patch if the run's checkout was clean. With `is_allowed`
    the run's code is taken even if it is not this checkout's own; `show` gets the lines that say whose it is then.

    Raises
    ------
    InputError
        The code cannot be rebuilt, or it is not this checkout's own and not allowed.
    """
    if is_here:
        description = "the code of this checkout, as --here asks"
        yield Source(checkout, description, f"with {description}")
    elif tags.get("code_digest") == digest_result_code():
        yield Source(checkout, "the code of this checkout, which has the run's code_digest")
    else:
        commit = _known_commit(tags, patch, checkout)
        with _worktree(commit, patch, checkout) as (root, changes):
            foreign = [*_unheld(commit, checkout), *_unnoted(commit, patch, tags, checkout)]
            if foreign:
                _describe(commit, patch, checkout, show)
            if foreign and not is_allowed:
                message = (
                    f"this would execute the code of commit {commit[:SHOWN_DIGITS]}{changes and f' and {PATCH}'}, which is not "
                    f"this checkout's own ({'; '.join(foreign)}); nothing was executed; read it, then allow it with "
                    f"--run-recorded-code, {OFFER}"
                )
                raise InputError(message)
            shown = f"the code of commit {commit[:SHOWN_DIGITS]}{changes and f' and {PATCH}'}, rebuilt"
            own = f"the run's own {PATCH}: {changes}" if changes else f"the code of {commit[:SHOWN_DIGITS]}"
            yield Source(root, shown, f"with {own}")


def _known_commit(tags: Mapping[str, str], patch: Path, checkout: Path) -> str:
    """Return the commit of a run after checking that it and the run's changes are here."""
    commit, named = commit_of(tags), named_commit(tags)
    if named is None:
        reason = "the run has no git_commit"
    elif commit is None:
        reason = f"git_commit = {printable(named)!r} is no commit (allowed: 40 hexadecimal digits)"
    elif git(checkout, "cat-file", "-t", commit).stdout.strip() != "commit":
        reason = f"git_commit = {commit} is not in this repository"
    elif tags.get("git_dirty") != "false" and not patch.exists():
        reason = f"the run has no file of the changes beside commit {commit[:SHOWN_DIGITS]}"
    else:
        return commit
    message = f"{reason}, so its code cannot be rebuilt; fetch what is missing, {OFFER}"
    raise InputError(message)


def _unheld(commit: str, checkout: Path) -> Iterator[str]:
    """Say if neither a branch or tag here nor a configured remote holds a commit."""
    remotes = (f"refs/remotes/{name}" for name in git(checkout, "remote").stdout.splitlines())
    places = ("refs/heads", "refs/tags", *remotes)
    if not git(checkout, "for-each-ref", "--count=1", f"--contains={commit}", *places).stdout:
        yield "no branch, tag or remote here holds the commit"


def _unnoted(commit: str, patch: Path, tags: Mapping[str, str], checkout: Path) -> Iterator[str]:
    """Say if this user did not record the changes of the code here."""
    copy = own_copy(checkout, tags.get(RECORD_TAG, ""))
    noted = {} if copy is None else (read_copy(copy) or {}).get("tags", {})
    if patch.exists() and (commit_of(noted), noted.get("git_diff_digest")) != (commit, digest_file(patch)):
        yield f"{PATCH} was not recorded by you in this checkout"


def _describe(commit: str, patch: Path, checkout: Path, show: Callable[[str], None]) -> None:
    """Show whose code it is, and which files the changes touch."""
    head = git(
        checkout, "show", "--no-patch", "--format=commit  %H%nauthor  %an <%ae>%ndate    %ad%ntitle   %s", commit
    )
    stat = git(checkout, "apply", "--stat", str(patch)).stdout if patch.exists() else ""
    for line in (head.stdout + stat).splitlines():
        show(printable(line))


@contextmanager
def _worktree(commit: str, patch: Path, checkout: Path) -> Iterator[tuple[Path, str]]:
    """Give a clean worktree of a commit with a patch applied, and a summary of the patch; remove it afterwards."""
    with TemporaryDirectory(prefix="plainmlp-") as folder:
        root = Path(folder) / "code"
        try:
            _done(checkout, "worktree", "add", "--quiet", "--detach", str(root), commit)
            changes = _apply(root, patch) if patch.exists() else ""
            if not (root / "src" / Path(*MODULE.split("."))).with_suffix(".py").exists():
                message = f"commit {commit[:SHOWN_DIGITS]} cannot execute a run again: it is older than verify; check out a later one, {OFFER}"
                raise InputError(message)
            yield root, changes
        finally:
            git(checkout, "worktree", "remove", "--force", "--force", str(root))


def _apply(root: Path, patch: Path) -> str:
    """Apply a patch and return what it changes, as ``3 files, +12 -4``; refuse one that changes more than code."""
    listed = _done(root, "apply", "--numstat", "-z", str(patch)).split("\0")
    _refuse_outside(name for name in (line.split("\t", 2)[-1] for line in listed if line) if name)
    _done(root, "apply", "--index", "--whitespace=nowarn", *(f"--include={place}/*" for place in APPLIED), str(patch))
    difference = ("diff", "--cached", "--no-renames", "--no-ext-diff", "-z", "HEAD")
    raw = _done(root, *difference, "--raw").split("\0")
    _refuse_outside(raw[1::2])
    if any(words.split()[1] not in PLAIN_MODES for words in raw[:-1:2]):
        message = f"{PATCH} replaces files by links or repositories, so it is not applied"
        raise InputError(message)
    if raw == [""]:  # it changes only what no training reads
        return ""
    counts = [line.split("\t")[:2] for line in _done(root, *difference, "--numstat").split("\0") if line]
    added, removed = (sum(int(count) for count in column if count.isdigit()) for column in zip(*counts, strict=True))
    return f"{len(counts)} file{'s' * (len(counts) != 1)}, +{added} -{removed}"


def _refuse_outside(names: Iterator[str] | list[str]) -> None:
    """Refuse a patch that changes files other than code."""
    for name in names:
        if name.split("/")[0] not in CODE:
            message = f"{PATCH} changes {printable(name)!r}, outside of {', '.join(APPLIED)}, so it is not applied"
            raise InputError(message)


def _done(root: Path, *words: str) -> str:
    """Return the output of git, or raise InputError if it failed."""
    ended = git(root, *words)
    if ended.returncode:
        message = (
            f"the code of the run cannot be rebuilt: {printable(' '.join(ended.stderr.split()))}; fix that, {OFFER}"
        )
        raise InputError(message)
    return ended.stdout


def git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder, without hooks, and return the result."""
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *words]
    return subprocess.run(  # noqa: S603  git itself
        command, cwd=root, capture_output=True, text=True, errors="replace", check=False
    )


def commit_of(tags: Mapping[str, str]) -> str | None:
    """Return the commit of a run, if its tag is one: 40 hexadecimal digits, and no other name or option."""
    commit = named_commit(tags) or ""
    return commit if _COMMIT.fullmatch(commit) else None
