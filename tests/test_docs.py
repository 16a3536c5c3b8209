"""The documentation names what there is."""

import doctest
import re
import subprocess
from importlib import import_module
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from configuration_page import configuration_page
from plainmlp.config.schema import Config
from plainmlp.nn import activations, losses
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


LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_the_map_names_every_folder():
    folders = {path.split("/")[0] for path in LISTED if "/" in path and not path.startswith(".")}
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


def anchors_of(page):
    """Return what Git hosts call the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [name for name in LISTED if name.endswith(".md")])
def test_every_link_leads_to_a_file_of_the_repository_and_a_heading_of_it(name):
    text = re.sub(r"```.*?```", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    for path, anchor in re.findall(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        target = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert str(target.relative_to(ROOT)) in LISTED, f"{name} links to {path}, which is not in the repository"
        assert not anchor or anchor in anchors_of(target.read_text(encoding="utf-8")), f"{name}: no {path}#{anchor}"


def test_the_site_has_every_page():
    listed = re.findall(
        r"^(?:[\w ]+ <)?([a-z]+)>?$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "index")


def test_the_reference_has_every_key_and_every_file():
    page = configuration_page(ROOT / "conf")
    sections = {name: getattr(field.annotation, "model_fields", {}) for name, field in Config.model_fields.items()}
    keys = {f"{name}.{key}" for name, fields in sections.items() for key in fields if key != "name" or name == "sweep"}
    assert {key for key in keys if f"| `{key}` | " not in page} == set()
    files = {path for path in (ROOT / "conf").glob("*/*.yaml") if path.parent.name != "hydra" and path.stem != "none"}
    assert [f"{path}" for path in files if f"`{path.stem}`" not in page and f"={path.stem}`" not in page] == []
    assert "| `model.dropout` | `0.0` | number ≥ 0 and < 1 | share of hidden units" in page


MODULES = sorted(
    ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    for path in (ROOT / "src").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_docstring_come_to_what_it_shows(module):
    found = doctest.testmod(import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_code_of_the_page_on_additions_does_what_it_says():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    softsign, log_cosh = (
        next(block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if name in block)
        for name in ("def _softsign(", "def _log_cosh(")
    )
    names = {**vars(losses), **vars(activations)}
    exec(softsign + log_cosh, names)
    z, step = np.array([-3.0, -0.5, 0.2, 4.0]), 1e-6
    output = names["_softsign"](z)
    slopes = (names["_softsign"](z + step) - names["_softsign"](z - step)) / (2 * step)
    np.testing.assert_allclose(names["_softsign_backward"](np.ones(4), z, output), slopes, rtol=1e-8)
    np.testing.assert_allclose(names["_log_cosh"](z, 0 * z, None), np.log(np.cosh(z)), rtol=1e-12)
    np.testing.assert_allclose(names["_log_cosh_slope"](z, 0 * z, None), np.tanh(z), rtol=1e-12)
