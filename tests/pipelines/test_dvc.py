"""What stands between us and DVC: a lock that a killed DVC holds, and a folder that is not a git repository."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.rwlock import rwlock

import repro
from checkouts import clone, run

WAITING = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "rwlock"


def holder(word: str) -> "subprocess.Popen[bytes]":
    """Return a living process with a word in its command line."""
    process = subprocess.Popen([sys.executable, "-c", WAITING, word], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()  # type: ignore[union-attr]
    return process


def take(lock: Path) -> None:
    """Take a lock as `dvc repro` does."""
    with rwlock(str(lock.parent), LocalFileSystem(), "dvc repro", [], [str(lock.parent / "data")], hardlink=False):
        pass


def held_by(lock: Path, pid: int) -> None:
    """Write the list as DVC does."""
    lock.write_text(json.dumps({"read": {}, "write": {str(lock.parent / "data"): {"pid": pid, "cmd": "dvc repro"}}}))


def test_what_a_zombie_holds_is_free_again(lock: Path) -> None:
    with holder("dvc") as process:
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        held_by(lock, process.pid)
        with pytest.raises(LockError, match="is busy"):
            take(lock)
        repro.release_dead_locks(lock)
        take(lock)


def test_what_a_process_with_its_id_seems_to_hold_is_free(lock: Path) -> None:
    with holder("another") as process:
        held_by(lock, process.pid)
        repro.release_dead_locks(lock)
        take(lock)
        process.stdin.close()  # type: ignore[union-attr]


def test_what_a_living_dvc_holds_stays_its_own(lock: Path) -> None:
    with holder("dvc") as process:
        held_by(lock, process.pid)
        repro.release_dead_locks(lock)
        with pytest.raises(LockError, match="is busy"):
            take(lock)
        process.stdin.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [None, "", "{", "{}"])
def test_no_list_of_locks_is_no_trouble(lock: Path, content: str | None) -> None:
    if content is not None:
        lock.write_text(content)
    repro.release_dead_locks(lock)


@pytest.mark.slow
def test_without_git_a_line_says_what_is_needed(tmp_path: Path) -> None:
    folder = clone(tmp_path / "no [git]")
    (folder / ".git").rename(tmp_path / "git")
    before = (folder / "overrides.yaml").read_bytes()
    for words in (["make", "repro"], ["make", "sweep"], ["python", "pipelines/repro.py", "seed=1"]):
        ended = run(folder, *words)
        assert ended.returncode == 2
        assert ended.stdout == ""
        first, *rest = ended.stderr.splitlines()
        assert "git init" in first
        assert all(line.startswith("make: ***") for line in rest)
    assert (folder / "overrides.yaml").read_bytes() == before
    assert not (folder / ".venv").exists()
