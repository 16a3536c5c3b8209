"""Compiled code is kept by the digest of its source: it is found again, and never taken for that of other source."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from plainmlp.nn.compiled import cache

SOURCE = Path(__file__).resolve().parents[3] / "src"
# trains, and prints how many functions were compiled on the way
COUNTED = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from plainmlp.nn.compiled.__main__ import compile_for
    compile_for("float32")
print(len(recorder.buffer))
"""


@pytest.fixture(autouse=True)
def afresh():
    """Let each test look for the folder anew."""
    cache.cache_folder.cache_clear()
    yield
    cache.cache_folder.cache_clear()


@pytest.mark.slow
def test_code_that_was_compiled_is_loaded_by_another_process():
    for _ in range(2):
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        ended = subprocess.run(
            [sys.executable, "-c", COUNTED], env=environment, capture_output=True, text=True, check=True
        )
    assert ended.stdout == "0\n"


def test_a_folder_that_is_given_goes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "plainmlp" / cache.digest_source()
    assert cache.cache_folder().is_dir()


def test_the_users_cache_serves_a_package_whose_folder_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "__file__", "/proc/version/cache.py")  # below what is not a folder
    assert cache.cache_folder() == tmp_path / "plainmlp" / cache.digest_source()


def test_a_filled_folder_is_used_as_it_is_where_the_users_cache_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/version")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "cache.py"))
    beside = tmp_path / "__pycache__" / "plainmlp" / cache.digest_source()
    beside.mkdir(parents=True)
    (beside / "steps.nbi").touch()
    beside.chmod(0o500)
    assert cache.cache_folder() == beside


def test_no_folder_at_all_is_an_error(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/proc/version")
    with pytest.raises(OSError, match="no folder for compiled code can be written"):
        cache.cache_folder()


def test_every_module_that_compiled_code_is_made_of_enters_the_digest():
    """What `descent` alone imports is called by Python, and never compiled."""
    imported = set()
    for path in (cache.SOURCE / "compiled").glob("*.py"):
        if path.name not in {*cache.CALLING, "plan.py"}:
            found = re.findall(r"from plainmlp\.nn(?:\.(\w+))? import ([\w, ]+)", path.read_text())
            imported |= {module or name for module, names in found for name in names.split(", ")}
    assert {f"{name}.py" for name in imported - {"compiled"}} <= set(cache.COMPILED)


@pytest.mark.parametrize("name", ["functions.py", "compiled/steps.py"])
def test_a_change_of_any_of_them_changes_the_digest(name, tmp_path, monkeypatch):
    before = cache.digest_source.__wrapped__()
    copy = tmp_path / "nn"
    shutil.copytree(cache.SOURCE, copy)
    monkeypatch.setattr(cache, "SOURCE", copy)
    assert cache.digest_source.__wrapped__() == before
    (copy / name).write_text((copy / name).read_text() + "# changed\n")
    assert cache.digest_source.__wrapped__() != before


def test_old_code_of_other_source_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    old, new, own = tmp_path / "plainmlp" / "old", tmp_path / "plainmlp" / "new", cache.cache_folder()
    for folder in (old, new):
        folder.mkdir()
    for folder in (old, own):
        os.utime(folder, (0, 0))
    cache.remove_outdated()
    assert sorted(own.parent.iterdir()) == sorted([new, own])
