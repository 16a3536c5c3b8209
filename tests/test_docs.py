"""The documentation names what there is."""

import re
import subprocess
from itertools import chain
from pathlib import Path

import pytest

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.schedules import SCHEDULES

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(chain(ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)))
def test_definitions_name_every_entry(name):
    assert f"`{name}`" in DEFINITIONS, f"define `{name}` in docs/definitions.md"


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")))
def test_readme_names_every_experiment(experiment):
    assert f"`{experiment}`" in (ROOT / "README.md").read_text(encoding="utf-8"), f"name `{experiment}` in README.md"


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_picture_is_shown_and_small():
    links = {
        (page.parent / link).resolve() for page in PAGES for link in re.findall(r"!\[.*?\]\((.*?)\)", page.read_text())
    }
    pictures = set((ROOT / "docs" / "images").iterdir())
    assert links == pictures
    assert [path.name for path in pictures if path.stat().st_size > 300_000] == []
    assert len({path.read_bytes() for path in pictures}) == len(pictures)


def test_grids_that_the_pages_name_are_there():
    named = {name for page in PAGES for name in re.findall(r"\bsweep=([a-z_]+)", page.read_text(encoding="utf-8"))}
    assert named <= {path.stem for path in (ROOT / "conf" / "sweep").glob("*.yaml")}
    assert {"activations", "sincos_losses", "clusters_seeds"} <= named


def test_systems_show_every_exercise_in_a_minute():
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"sweep=([a-z_]+)`, (\d+) s\. Ranked", page))
    assert len(sections) == page.count("\n### ") == 9
    assert all(int(seconds) <= 60 for seconds in sections.values())
    assert all(f"(images/exercise_{name}.png)" in page for name in sections)


README = (ROOT / "README.md").read_text(encoding="utf-8")
MAP = README[README.index("## What is where") :]


def test_the_map_names_every_folder():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {path.split("/")[0] for path in listed if "/" in path and not path.startswith(".")}
    folders |= {path.name for path in (ROOT / "src" / "plainmlp").iterdir() if (path / "__init__.py").exists()}
    assert [name for name in sorted(folders) if f"{name}/" not in MAP] == []


def test_every_command_of_make_and_every_script_that_the_pages_name_is_there():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in [*PAGES, *ROOT.glob("*.md")])
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", pages, re.MULTILINE)) <= targets
    assert [
        name
        for name in set(re.findall(r"(?<!tests/)(?:pipelines|benchmarks)/\w+\.py", pages))
        if not (ROOT / name).exists()
    ] == []
