"""The jobs of docs/teams.md that report on a change, run as they stand, but for the set-up."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkouts import ROOT, clone, commit, succeed

pytestmark = [pytest.mark.slow, pytest.mark.services]
SETUP = ("make repro", ". .venv/bin/activate")  # the environment of the tests is there already


def github(jobs: dict[str, Any]) -> list[str]:
    return [step["run"] for step in jobs["jobs"]["report"]["steps"] if "run" in step]


def gitlab(jobs: dict[str, Any]) -> list[str]:
    script: list[str] = jobs["report"]["script"]
    return script


def job(number: int) -> dict[str, Any]:
    """Return one of the files of the page."""
    text = (ROOT / "docs" / "teams.md").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[number])
    return found


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a main branch and a change on another, both with their results committed."""
    origin = clone(tmp_path_factory.mktemp("team") / "origin")
    succeed(origin, "git", "branch", "--move", "main")
    succeed(origin, "dvc", "repro")
    commit(origin)
    succeed(origin, "git", "switch", "--quiet", "--create", "change")
    succeed(origin, "python", "pipelines/repro.py", "training.epochs=2")
    commit(origin)
    return origin


@pytest.mark.parametrize(("number", "commands"), [(0, github), (1, gitlab)])
def test_job(team: Path, tmp_path: Path, number: int, commands: Callable[[dict[str, Any]], list[str]]) -> None:
    fresh, summary = tmp_path / "fresh", tmp_path / "summary.md"
    succeed(tmp_path, "git", "clone", "--quiet", "--branch", "change", team, fresh)
    script = "\n".join(["set -eo pipefail", *commands(job(number))])
    assert all(line in script for line in SETUP)
    script = script.replace(SETUP[0], "dvc repro").replace(SETUP[1], "true")
    succeed(fresh, "bash", "-c", script, GITHUB_STEP_SUMMARY=str(summary))
    report = (summary if number == 0 else fresh / "report.md").read_text(encoding="utf-8")
    assert re.search(
        r"^\| reports/metrics.json +\| test.accuracy +\| 0\.\d+ +\| 0\.\d+ +\| -?0\.\d+ +\|$", report, re.MULTILINE
    )
    assert report.splitlines()[-1].startswith("identical")
