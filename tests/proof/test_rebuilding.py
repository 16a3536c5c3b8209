"""The code of a run: rebuilt from real commits and patches, removed afterwards, refused where it is not whole."""

from pathlib import Path

import pytest

from checkouts import commit, succeed
from configurations import refusal
from plainmlp.config.code import digest_result_code
from plainmlp.proof.rebuilding import ExecutionError, Source, execute, source_of
from plainmlp.system.errors import InputError, TrainingError

MODULE = Path("src") / "plainmlp" / "proof" / "reexecution.py"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with code that could be executed."""
    root = tmp_path / "a repository"
    (root / MODULE).parent.mkdir(parents=True)
    (root / MODULE).write_text("print('first')\n")
    succeed(root, "git", "init", "--quiet")
    commit(root)
    return root


def head(root: Path) -> str:
    return succeed(root, "git", "rev-parse", "HEAD").strip()


def worktrees(root: Path) -> int:
    return len(succeed(root, "git", "worktree", "list").splitlines())


def entered(tags: dict[str, str], patch: Path, root: Path, *, is_here: bool = False) -> str:
    with source_of(tags, patch, root, is_here=is_here) as source:
        return source.description


def test_commit_and_changes_are_rebuilt_beside_a_checkout_that_stays_as_it_is(repository: Path, tmp_path: Path) -> None:
    tags = {"git_commit": head(repository), "git_dirty": "true", "code_digest": "0" * 64}
    (repository / MODULE).write_text("print('second')\n")
    patch = tmp_path / "changes.patch"
    patch.write_text(succeed(repository, "git", "diff"))
    (repository / MODULE).write_text("print('third')\n")
    commit(repository)
    with source_of(tags, patch, repository, is_here=False) as source:
        rebuilt = source.root
        assert (rebuilt / MODULE).read_text() == "print('second')\n"
        assert (repository / MODULE).read_text() == "print('third')\n"
    assert not rebuilt.exists()
    assert worktrees(repository) == 1


def test_rebuilt_code_is_removed_after_a_failure(repository: Path, tmp_path: Path) -> None:
    tags = {"git_commit": head(repository), "git_dirty": "false"}
    with pytest.raises(KeyboardInterrupt), source_of(tags, tmp_path / "none", repository, is_here=False):
        raise KeyboardInterrupt
    assert worktrees(repository) == 1


def test_code_that_has_not_changed_is_taken_as_it_is(repository: Path, tmp_path: Path) -> None:
    same = {"code_digest": digest_result_code()}
    assert "which has the run's code_digest" in entered(same, tmp_path / "none", repository)
    assert "as --here asks" in entered({}, tmp_path / "none", repository, is_here=True)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({}, "the run has no git_commit"),
        ({"git_commit": "0" * 40, "git_dirty": "false"}, f"git_commit = {'0' * 40} is not in this repository"),
        ({"git_commit": "HEAD", "git_dirty": "true"}, "the run has no file of the changes beside commit HEAD"),
        ({"git_commit": "HEAD", "git_dirty": "unknown"}, "the run has no file of the changes beside commit HEAD"),
    ],
)
def test_code_that_is_not_whole_is_refused_with_a_way_out(repository, tmp_path, tags, reason) -> None:
    line = refusal(entered, tags, tmp_path / "none", repository)
    assert line.startswith(reason)
    assert "pass --here to use the code of this checkout" in line


def test_patch_that_does_not_apply_and_code_that_is_too_old_are_refused(repository: Path, tmp_path: Path) -> None:
    tags, patch = {"git_commit": head(repository), "git_dirty": "true"}, tmp_path / "changes.patch"
    patch.write_text("no patch\n")
    assert "the code of the run cannot be rebuilt: " in refusal(entered, tags, patch, repository)
    succeed(repository, "git", "rm", "--quiet", str(MODULE))
    commit(repository)
    old = {"git_commit": head(repository), "git_dirty": "false"}
    assert "it is older than verify" in refusal(entered, old, tmp_path / "none", repository)
    assert worktrees(repository) == 1


@pytest.mark.parametrize(
    ("ending", "error", "message"),
    [
        ("sys.exit('error: the loss is not finite')", ExecutionError, "the loss is not finite"),
        ("print('error: key = 1', file=sys.stderr); sys.exit(2)", InputError, "key = 1"),
        ("raise MemoryError", TrainingError, "the re-execution crashed: MemoryError"),
        ("sys.exit(130)", KeyboardInterrupt, ""),
    ],
)
def test_ends_of_a_re_execution_are_told_apart(repository: Path, tmp_path: Path, ending, error, message) -> None:
    package = repository / "src" / "plainmlp"
    for folder in (package, package / "proof"):
        (folder / "__init__.py").touch()
    (repository / MODULE).write_text(f"import sys\n{ending}\n")
    with pytest.raises(error) as caught:
        execute(Source(repository, "test"), tmp_path / "config.yaml", tmp_path)
    assert type(caught.value) is error
    assert str(caught.value) == message
