"""The file overrides.yaml: what `dvc repro` overrides in conf/."""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from plainmlp.config.canonical import read_yaml
from plainmlp.system.errors import InputError
from plainmlp.system.files import replace_file


def read_overrides(path: Path) -> list[str]:
    """Return the overrides that a file lists."""
    content = read_yaml(path)
    overrides = content.get("overrides") if len(content) == 1 else None
    if not isinstance(overrides, list) or not all(isinstance(override, str) for override in overrides):
        message = f"{path.name} must hold one list of texts, such as overrides: [experiment=mnist, seed=1]"
        raise InputError(message)
    return overrides


def write_overrides(path: Path, overrides: Sequence[str]) -> None:
    """Store overrides under the comments that open the file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    comments = takewhile(lambda line: line.startswith("#"), lines)
    text = "".join(comments) + yaml.safe_dump({"overrides": list(overrides)}, allow_unicode=True, width=1000)
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
