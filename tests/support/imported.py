"""The code of this repository that a script or module runs, by what it imports, also inside of functions."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def code_run(*files: Path, beside: Path | None = None) -> set[Path]:
    """Return the files and all modules of this repository that they import; none in a folder, nor what only that imports."""
    found, waiting = set(files), [*files]
    while waiting:
        imported = _imported(waiting.pop())
        new = {file for file in imported if beside is None or not file.is_relative_to(beside)} - found
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
