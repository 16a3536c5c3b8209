"""What the tests of sweeps share."""

import subprocess
from pathlib import Path

import pytest

from checkouts import commit
from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.sweeps.grid.points import Point
from plainmlp.tracking.recording.training import point_of
from pointed import SMALL, splits_of


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository with one commit, where sweeps keep their archive."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    commit(tmp_path)
    return tmp_path


@pytest.fixture
def points(address: str, request: pytest.FixtureRequest) -> list[Point]:
    """Return three points of one setting, recorded in an experiment of the test's name."""
    tracking = {"uri": address, "experiment": request.node.name[:60]}
    configs = [parse(changed(**SMALL, tracking=tracking, seed=seed)) for seed in range(3)]
    return [Point((f"seed={c.seed}", "of=it's"), c, point_of(c, splits_of(c))) for c in configs]
