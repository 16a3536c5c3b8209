"""What src and pipelines import of other projects: all of it is declared, and none of it is private."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

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


def declared() -> set[str]:
    """Return the names of the projects that pyproject.toml lists, for all or as an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    return {re.split(r"[=<>!~\[; ]", requirement)[0].lower() for requirement in chain(*lists)}


def test_all_that_is_imported_is_declared() -> None:
    distributions = {**NOT_INSTALLED, **packages_distributions()}
    missing = {
        (path, module)
        for path, module in imported()
        if not {name.lower() for name in distributions[module.partition(".")[0]]} & declared()
    }
    assert missing == set()


def test_nothing_private_is_imported() -> None:
    private = {
        (path, module)
        for path, module in imported()
        if any(part.startswith("_") for part in module.split(".")) and not module.startswith(tuple(GUARDED))
    }
    assert private == set()
