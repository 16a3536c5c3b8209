"""The stages of dvc.yaml, and the code that each of them runs."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
CODE = ("src/", "pipelines/")
PLUGINS = sorted((ROOT / "src" / "hydra_plugins").rglob("*.py"))
# the stage sweep starts run.py as a process, and Hydra finds our plugins there by itself
STARTED = {"sweep": [ROOT / "pipelines" / "run.py", *PLUGINS]}


def listed(stage: dict[str, list[object]], kind: str) -> set[str]:
    """Return the paths of a stage's deps or outs, without what stands beside them."""
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in stage.get(kind, [])}


def outputs(stage: dict[str, list[object]]) -> set[str]:
    return listed(stage, "outs") | listed(stage, "metrics")


def code_listed(stage: dict[str, list[object]]) -> set[Path]:
    """Return the files of code that a stage depends on; a folder stands for every module in it."""
    paths = (ROOT / path for path in listed(stage, "deps") if path.startswith(CODE))
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


@cache
def code_run(script: Path) -> set[Path]:
    """Return a script and all modules of this repository that it imports, also inside of functions."""
    found, waiting = {script}, [script]
    while waiting:
        new = set(_imported(waiting.pop())) - found
        found |= new
        waiting += new
    return found


def _imported(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield from _modules(name)


def _modules(name: str) -> Iterator[Path]:
    """Yield the files of a dotted name that are ours: the packages on the way to it, and the module."""
    for dotted in accumulate(name.split("."), "{}/{}".format):
        for place in (ROOT / "src" / dotted, ROOT / "pipelines" / dotted):
            files = (place / "__init__.py", place.with_suffix(".py"))
            yield from (file for file in files if file.is_file())
