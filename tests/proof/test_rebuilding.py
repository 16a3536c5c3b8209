"""The code of a run: rebuilt from real commits and patches, removed afterwards, refused where it is not whole or not our own."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from checkouts import commit, succeed
from configurations import refusal
from plainmlp.config.code import digest_result_code
from plainmlp.proof.rebuilding import source_of
from plainmlp.tracking.recording.manifest import copy_of

MODULE = Path("src") / "plainmlp" / "proof" / "reexecution.py"
RECORD = "record-0123"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with code that could be executed."""
    root = tmp_path / "a repository"
    (root / MODULE).parent.mkdir(parents=True)
    (root / MODULE).write_text("print('first')\n")
    (root / "overrides.yaml").write_text("overrides: []\n")
    (root / "notes.txt").write_text("notes\n")
    succeed(root, "git", "init", "--quiet", "--initial-branch=main")
    commit(root)
    return root


def head(root: Path) -> str:
    return succeed(root, "git", "rev-parse", "HEAD").strip()


def worktrees(root: Path) -> int:
    return len(succeed(root, "git", "worktree", "list").splitlines())


def entered(tags: dict[str, str], patch: Path, root: Path, **options: object) -> str:
    with source_of(tags, patch, root, **options) as source:
        return f"{source.description}; {source.remark}"


def changed(root: Path, change: Callable[[Path], object]) -> Path:
    """Return the patch of a change, which is taken back."""
    change(root)
    succeed(root, "git", "add", "--all")
    patch = root.parent / "changes.patch"
    patch.write_text(succeed(root, "git", "diff", "--cached", "--binary", "--no-renames"))
    succeed(root, "git", "reset", "--quiet", "--hard")
    return patch


def tags_of(root: Path, patch: Path | None = None, **others: str) -> dict[str, str]:
    tags = {"git_commit": head(root), "git_dirty": "false", "code_digest": "0" * 64, "plainmlp.record": RECORD}
    if patch is not None:
        tags |= {"git_dirty": "true", "git_diff_digest": sha256(patch.read_bytes()).hexdigest()}
    return {**tags, **others}


def note(root: Path, tags: dict[str, str]) -> Path:
    """Keep a manifest as a checkout does that records a run."""
    copy = copy_of(root, RECORD)
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(json.dumps({"tags": tags}))
    return copy


def write(name: str, text: str = "print('second')\n") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return change


def test_commit_and_changes_are_rebuilt_beside_a_checkout_that_stays_as_it_is(repository: Path, tmp_path: Path) -> None:
    patch = changed(repository, write(str(MODULE)))
    tags = tags_of(repository, patch)
    note(repository, tags)
    write(str(MODULE), "print('third')\n")(repository)
    commit(repository)
    with source_of(tags, patch, repository) as source:
        rebuilt = source.root
        assert (rebuilt / MODULE).read_text() == "print('second')\n"
        assert (repository / MODULE).read_text() == "print('third')\n"
        assert source.remark == "with the run's own changes.patch: 1 file, +1 -1"
        assert source.description == f"the code of commit {tags['git_commit'][:12]} and changes.patch, rebuilt"
    clean = tags_of(repository)
    with source_of(clean, tmp_path / "none", repository) as source:
        assert source.description == f"the code of commit {clean['git_commit'][:12]}, rebuilt"
    assert not rebuilt.exists()
    assert worktrees(repository) == 1


def test_rebuilt_code_is_removed_after_a_failure(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), source_of(tags_of(repository), tmp_path / "none", repository):
        raise KeyboardInterrupt
    assert worktrees(repository) == 1


def test_code_that_has_not_changed_is_taken_as_it_is(repository: Path, tmp_path: Path) -> None:
    same = {"code_digest": digest_result_code()}
    assert entered(same, tmp_path / "none", repository).endswith("which has the run's code_digest; ")
    assert "with the code of this checkout, as --here asks" in entered({}, tmp_path / "none", repository, is_here=True)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, "the run has no git_commit"),
        ({"git_commit": "0" * 40, "git_dirty": "false"}, f"git_commit = {'0' * 40} is not in this repository"),
        ({"git_commit": "HEAD", "git_dirty": "false"}, "git_commit = 'HEAD' is no commit (allowed: 40 hexadecimal"),
        ({"git_commit": "main", "git_dirty": "false"}, "git_commit = 'main' is no commit"),
        ({"git_commit": "--all", "git_dirty": "false"}, "git_commit = '--all' is no commit"),
        ({"git_commit": "a" * 40 + "\n", "git_dirty": "false"}, "git_commit = "),
    ],
)
def test_commit_that_is_none_is_refused_with_a_way_out(repository, tmp_path, tags, reason) -> None:
    line = refusal(
        entered,
        tags,
        tmp_path / "none",
        repository,
    )
    assert line.startswith(reason)
    assert "pass --here to use the code of this checkout" in line


@pytest.mark.parametrize("dirty", ["true", "unknown"])
def test_changes_that_are_not_there_are_refused(repository: Path, tmp_path: Path, dirty: str) -> None:
    line = refusal(entered, tags_of(repository, git_dirty=dirty), tmp_path / "none", repository)
    assert line.startswith("the run has no file of the changes beside commit")


def test_patch_that_does_not_apply_and_code_that_is_too_old_are_refused(repository: Path, tmp_path: Path) -> None:
    patch = tmp_path / "changes.patch"
    patch.write_text("no patch\n")
    assert "the code of the run cannot be rebuilt: " in refusal(entered, tags_of(repository, patch), patch, repository)
    succeed(repository, "git", "rm", "--quiet", str(MODULE))
    commit(repository)
    assert "it is older than verify" in refusal(entered, tags_of(repository), tmp_path / "none", repository)
    assert worktrees(repository) == 1


def forget(root: Path) -> str:
    """Make a commit that no branch holds, and return it."""
    write(str(MODULE), "print('evil')\n")(root)
    commit(root)
    left = head(root)
    succeed(root, "git", "reset", "--quiet", "--hard", "HEAD~1")
    return left


def test_commit_that_nothing_here_holds_is_not_executed_unless_allowed(repository: Path, tmp_path: Path) -> None:
    tags = tags_of(repository, git_commit=forget(repository))
    shown: list[str] = []
    line = refusal(lambda: entered(tags, tmp_path / "none", repository, show=shown.append))
    assert line.startswith(f"this would execute the code of commit {tags['git_commit'][:12]}, which is not this")
    assert "no branch, tag or remote here holds the commit" in line
    assert "--run-recorded-code" in line
    assert shown[0] == f"commit  {tags['git_commit']}"
    assert shown[1] == "author  Ann <ann@example.org>"
    assert shown[2].startswith("date    ")
    allowed = entered(tags, tmp_path / "none", repository, is_allowed=True, show=shown.append)
    assert allowed.endswith(f"with the code of {tags['git_commit'][:12]}")
    assert len(shown) == 8


@pytest.mark.parametrize(
    ("holder", "is_held"),
    [
        (("branch", "other"), True),
        (("tag", "v1"), True),
        (("update-ref", "refs/remotes/origin/main"), True),
        (("update-ref", "refs/remotes/gone/main"), False),
        (("update-ref", "refs/exps/x"), False),
        (("update-ref", "refs/pull/1/head"), False),
    ],
)
def test_commit_is_held_by_branches_tags_and_configured_remotes(repository, tmp_path, holder, is_held) -> None:
    left = forget(repository)
    succeed(repository, "git", "remote", "add", "origin", "https://example.org/x.git")
    succeed(repository, "git", *holder, left)
    tags = tags_of(repository, git_commit=left)
    if is_held:
        assert "rebuilt" in entered(tags, tmp_path / "none", repository)
    else:
        assert "no branch, tag or remote here" in refusal(entered, tags, tmp_path / "none", repository)


def test_changes_that_were_not_recorded_here_are_not_executed_unless_allowed(repository: Path) -> None:
    patch = changed(repository, write(str(MODULE), "print('\x1b[2J')\n"))
    tags, shown = tags_of(repository, patch), []
    for noted in (None, {**tags, "git_diff_digest": "0" * 64}, {**tags, "git_commit": "0" * 40}, {}):
        if noted is not None:
            note(repository, noted)
        line = refusal(lambda: entered(tags, patch, repository, show=shown.append))
        assert "changes.patch was not recorded by you in this checkout" in line
    assert [row for row in shown if "reexecution.py |" in row]
    assert "changes.patch: 1 file" in entered(tags, patch, repository, is_allowed=True, show=shown.append)
    note(repository, tags)
    assert "changes.patch: 1 file, +1 -1" in entered(tags, patch, repository)
    stranger = {**tags, "plainmlp.record": f"../manifests/{RECORD}"}
    assert "was not recorded by you" in refusal(lambda: entered(stranger, patch, repository, show=shown.append))


def test_note_of_another_user_is_none(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patch = changed(repository, write(str(MODULE)))
    tags = tags_of(repository, patch)
    note(repository, tags)
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    assert "was not recorded by you" in refusal(entered, tags, patch, repository)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (write("notes.txt"), "changes.patch changes 'notes.txt', outside of src, conf, pipelines"),
        (write("tests/x.py"), "changes.patch changes 'tests/x.py', outside of"),
        (write(".git-blame"), "changes.patch changes '.git-blame', outside of"),
        (lambda root: (root / "src" / "link").symlink_to("/etc/passwd"), "replaces files by links or repositories"),
    ],
)
def test_patch_of_other_things_than_code_is_refused_even_if_allowed(repository, change, problem) -> None:
    patch = changed(repository, change)
    tags = tags_of(repository, patch)
    note(repository, tags)
    for is_allowed in (False, True):
        line = refusal(lambda allowed=is_allowed: entered(tags, patch, repository, is_allowed=allowed))
        assert problem in line
    assert worktrees(repository) == 1


def test_patch_that_renames_what_is_outside_is_refused(repository: Path, tmp_path: Path) -> None:
    patch = tmp_path / "changes.patch"
    patch.write_text(
        "diff --git a/notes.txt b/src/notes.txt\nsimilarity index 100%\nrename from notes.txt\nrename to src/notes.txt\n"
    )
    tags = tags_of(repository, patch)
    note(repository, tags)
    assert "changes.patch changes 'notes.txt', outside of" in refusal(entered, tags, patch, repository)


def test_changes_that_no_training_reads_are_left_out(repository: Path) -> None:
    patch = changed(repository, write("overrides.yaml", "overrides: [seed=1]\n"))
    tags = tags_of(repository, patch)
    note(repository, tags)
    assert entered(tags, patch, repository).endswith(f"with the code of {head(repository)[:12]}")
