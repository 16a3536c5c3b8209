import subprocess
from pathlib import Path

from plainmlp.provenance.repository import git_state


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_state_of_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == {}
    git(tmp_path, "init", "--quiet")
    assert git_state(tmp_path) == {}
    (tmp_path / "file").write_text("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_state(tmp_path) == {"git_commit": commit, "git_dirty": "false"}
    (tmp_path / "file").write_text("b")
    assert git_state(tmp_path) == {"git_commit": commit, "git_dirty": "true"}


def test_machine_without_git_has_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) == {}
