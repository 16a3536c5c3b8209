"""What src and pipelines import of other projects: all of it is declared, and none of it is private."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest

from imported import code_run

ROOT = Path(__file__).resolve().parents[1]
OURS = {"plainmlp", "hydra_plugins", "_checkout"}
NOT_INSTALLED = {"torch": ["torch"], "tensorflow": ["tensorflow-cpu"], "keras": ["keras"]}  # of the extras
# private, and guarded where it is used: tests/baselines/test_peers.py
GUARDED = {"sklearn.neural_network._stochastic_optimizers"}


def imported() -> Iterator[tuple[str, str]]:
    """Yield every module of another project that a file imports, and each name that it takes of one."""
    for folder in ("src", "pipelines"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                modules = [name.name for name in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    modules = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
                for module in modules:
                    if module.partition(".")[0] not in OURS | sys.stdlib_module_names:
                        yield str(path.relative_to(ROOT)), module


def names_of(requirements: Iterable[str]) -> set[str]:
    """Return the names of the projects that requirements ask for."""
    return {re.split(r"[=<>!~\[; ]", requirement)[0].lower() for requirement in requirements}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = names_of(PROJECT["dependencies"])
ALL = BASE | names_of(chain(*PROJECT["optional-dependencies"].values()))


def undeclared(found: Iterable[tuple[str, str]], declared: set[str]) -> set[tuple[str, str]]:
    """Return the imports of projects that are not among those declared."""
    distributions = {**NOT_INSTALLED, **packages_distributions()}
    projects = {(path, module): distributions[module.partition(".")[0]] for path, module in found}
    return {where for where, names in projects.items() if not {name.lower() for name in names} & declared}


def test_all_that_is_imported_is_declared() -> None:
    assert undeclared(imported(), ALL) == set()


@pytest.mark.slow
def test_the_estimators_need_no_more_than_an_installation_has_without_extras() -> None:
    package = ROOT / "src" / "plainmlp"
    run = code_run(*sorted((package / "estimators").glob("*.py")), *sorted((package / "nn").rglob("*.py")))
    files = {str(path.relative_to(ROOT)) for path in run}
    found = {(path, module) for path, module in imported() if path in files}
    assert {"numpy", "numba", "sklearn.base"} <= {module for _, module in found}
    assert undeclared(found, BASE) == set()


def test_nothing_private_is_imported() -> None:
    private = {
        (path, module)
        for path, module in imported()
        if any(part.startswith("_") for part in module.split(".")) and not module.startswith(tuple(GUARDED))
    }
    assert private == set()
