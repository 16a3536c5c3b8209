"""What the tests of sweeps share."""

import subprocess
from pathlib import Path

import pytest

from checkouts import commit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository with one commit, where sweeps keep their archive."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    commit(tmp_path)
    return tmp_path
