"""A checkout can be rebuilt from what is recorded of it: the commit and the patch."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plainmlp.tracking.provenance.repository import Repository, read_repository

SECRET = "hunter2"
CONFIG = f"uri: https://ann:{SECRET}@host/x\n".encode()
BINARY = bytes(range(256)) * 40


def git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *arguments]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, check=True).stdout


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def committed(folder: Path, files: dict[str, bytes]) -> Path:
    write(folder, files)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "first")
    return folder


def content(folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Return the bytes of every file of a checkout or of another folder, and whether it can be executed."""
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts]
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), os.access(path, os.X_OK)) for path in paths}


def rebuilt(repository: Repository, root: Path, folder: Path) -> dict[str, tuple[bytes, bool]]:
    """Apply a patch in a clean worktree of its commit, and return the files that this makes."""
    git(root, "worktree", "add", "--quiet", "--detach", str(folder), repository.commit)
    if repository.patch:
        git(folder, "apply", given=repository.patch)
    found = content(folder)
    git(root, "worktree", "remove", "--force", str(folder))
    return found


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


FILES = {
    "src/kept.py": b"x = 1\n",
    "src/changed.py": b"a\nb\nc\n",
    "src/gone.py": b"gone\n",
    "src/old name.py": b"moved\n" * 30,
    "src/binary.npy": BINARY,
    "conf/now_empty.yaml": b"seed: 0\n",
    "pipelines/run.sh": b"#!/bin/sh\n",
    "conf/\u00fc.md": b"\xff\xfe no utf-8\r\n",
    ".gitignore": b"*.ignored\n",
}


def change_everything(root: Path) -> None:
    write(
        root,
        {
            "src/changed.py": b"a\nB\nc",  # and no end of line
            "src/binary.npy": BINARY[::-1],
            "src/new/with space.py": b"new = 2\n",
            "src/new/b\u00efnary.bin": BINARY,
            "src/new/empty.py": b"",
            "pipelines/new.py": b"\r\n",
            "conf/now_empty.yaml": b"",
            "conf/\u00fc.md": b"\xff other\n",
        },
    )
    (root / "src/gone.py").unlink()
    (root / "src/old name.py").rename(root / "src/new name.py")
    (root / "pipelines/run.sh").chmod(0o755)
    (root / "src/new/with space.py").chmod(0o755)


def test_dirty_checkout_is_rebuilt_byte_for_byte(root, tmp_path):
    committed(root, FILES)
    change_everything(root)
    expected = content(root)
    write(root, {"src/x.ignored": b"no", "notes.txt": b"no", "data/rows.csv": b"no"})
    found = read_repository(root)
    assert rebuilt(found, root, tmp_path / "worktree") == expected
    assert found.tags()["git_dirty"] == "true"


def test_neither_the_index_nor_the_objects_of_the_checkout_are_touched(root):
    committed(root, FILES)
    write(root, {"src/changed.py": b"staged\n", "src/notes.ignored": b"staged too\n"})
    git(root, "add", "--force", "src/changed.py", "src/notes.ignored")
    change_everything(root)
    status = git(root, "status", "--porcelain")
    before = content(root / ".git")
    found = read_repository(root)
    assert content(root / ".git") == before
    assert git(root, "status", "--porcelain") == status
    assert b"notes.ignored" in found.patch  # git knows it, so it counts


def test_settings_of_the_user_do_not_change_the_patch(root, monkeypatch):
    committed(root, FILES)
    change_everything(root)
    plain = read_repository(root)
    (root / ".git/info/attributes").write_text("*.py diff=shown\n")
    for name, value in {
        "diff.noprefix": "true",
        "diff.renames": "copies",
        "diff.external": "false",
        "diff.shown.textconv": "false",
        "color.ui": "always",
        "diff.context": "0",
    }.items():
        git(root, "config", name, value)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert read_repository(root) == plain


NAMES = st.sampled_from(["src/a.py", "src/b c.py", "conf/d/e.yaml", "pipelines/f.py", "src/a.py.bak"])
TREES = st.dictionaries(NAMES, st.one_of(st.binary(max_size=40), st.sampled_from([BINARY, b"a\n" * 9, CONFIG[:4]])))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(before=TREES, after=TREES)
def test_any_two_trees(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("trees")
    root = committed(folder / "root", {"README": b"", **before})
    for name in before:
        (root / name).unlink()
    write(root, after)
    found = read_repository(root)
    assert rebuilt(found, root, folder / "worktree") == content(root)
    assert bool(found.patch) == (before != after)


@pytest.mark.parametrize("change", ["added", "changed", "removed", "compressed"])
def test_patch_that_would_hold_credentials_is_not_recorded(root, change):
    kept = BINARY + CONFIG if change == "compressed" else CONFIG + b"a: 1\n"
    committed(root, {**FILES, "conf/old.yaml": kept})
    if change == "added":
        write(root, {"conf/new.yaml": CONFIG})
    elif change == "removed":
        (root / "conf/old.yaml").unlink()
    else:
        write(root, {"conf/old.yaml": kept + b"a: 2\n"})
    found = read_repository(root)
    assert found.patch is None
    assert found.tags()["git_dirty"] == "unknown"
    (line,) = found.warnings()
    place = {"added": "conf/new.yaml:1", "compressed": "conf/old.yaml:"}.get(change, "conf/old.yaml:1")
    assert f" secrets: {place}" in line
    assert "(a URL with credentials)" in line
    assert SECRET not in line


def test_secret_is_named_by_its_file_and_line_and_the_rest_is_none(root):
    lines = [b"x = 1\n"] * 40
    committed(root, {"src/a.py": b"".join(lines), "pipelines/b.py": b"".join(lines)})
    lines[20] = b"++ key = " + b"'AKIA" + b"ABCDEFGHIJKLMNOP'\n"
    write(
        root, {"src/a.py": b"".join(lines), "pipelines/b.py": b"y = 2\n", "src/new file.py": b"\npassword = 'hunter2'"}
    )
    assert read_repository(root).secrets == ("src/a.py:21 (a key of AWS)", "src/new file.py:2 (a password)")


def test_large_file_that_git_does_not_know_is_left_out_and_named_by_its_digest(root, tmp_path):
    large = bytes(1_000_001)
    committed(root, FILES)
    write(root, {"conf/large file.bin": large})
    found = read_repository(root)
    digest = hashlib.sha256(large).hexdigest()
    tags = {"git_commit": found.commit, "git_dirty": "true", "git_left_out": f"conf/large file.bin {digest}"}
    assert (found.patch, found.tags()) == (b"", tags)
    assert found.warnings() == ["conf/large file.bin is over 1 MB and not in git: only its digest is recorded"]
    write(root, {"conf/small.bin": large[:-1], "src/binary.npy": large})  # git knows the latter
    found = read_repository(root)
    assert found.tags()["git_dirty"] == "true"
    assert len(found.patch) < 100_000
    expected = content(root)
    del expected["conf/large file.bin"]
    assert rebuilt(found, root, tmp_path / "worktree") == expected


RESULTS = {"dvc.lock": b"1\n", "reports/metrics.json": b"{}\n", "README.md": b"text\n"}


def test_results_that_are_committed_make_no_run_dirty(root):
    committed(root, {**FILES, **RESULTS})
    write(root, dict.fromkeys(RESULTS, b"2\n"))
    write(root, {"reports/new.json": b"{}\n"})
    found = read_repository(root)
    assert (found.patch, found.tags()["git_dirty"]) == (b"", "false")
    write(root, {"src/changed.py": b"x\n"})
    assert read_repository(root).patch.count(b"diff --git") == 1


@pytest.mark.parametrize("name", ["overrides.yaml", "requirements.lock", "pyproject.toml"])
def test_single_files_of_the_code_make_a_run_dirty(root, name):
    committed(root, FILES)
    write(root, {name: b"a: 1\n"})
    assert name.encode() in read_repository(root).patch


def test_state_of_git(root):
    assert read_repository(root) is None
    git(root, "init", "--quiet")
    assert read_repository(root) is None
    committed(root, {"src/file": b"a"})
    commit = git(root, "rev-parse", "HEAD").decode().strip()
    assert read_repository(root).tags() == {"git_commit": commit, "git_dirty": "false"}
    (root / "src/file").write_bytes(b"b")
    tags = read_repository(root).tags()
    assert (tags["git_commit"], tags["git_dirty"], len(tags["git_diff_digest"])) == (commit, "true", 64)


def test_checkout_that_git_cannot_read_is_of_unknown_state(root):
    committed(root, {"src/file": b"a"})
    (root / ".git/index").write_bytes(b"damaged")
    assert read_repository(root).tags()["git_dirty"] == "unknown"


def test_machine_without_git_has_no_state(root, monkeypatch):
    committed(root, {"src/file": b"a"})
    monkeypatch.setenv("PATH", "")
    assert read_repository(root) is None
