"""A small disk of its own, which can be filled to the last byte."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
FILLER = "filler"


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Give the folder of a file system of this size; skip the test where none can be mounted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system needs the right to mount one: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, free_bytes: int) -> None:
    """Leave so many bytes free, at least; in steps of a page."""
    state = os.statvfs(disk)
    size = state.f_bavail * state.f_frsize - free_bytes
    with (disk / FILLER).open("ab") as file:
        file.write(b"\0" * max(0, size))


def make_room(disk: Path) -> None:
    """Free again what `fill` took."""
    (disk / FILLER).unlink()
