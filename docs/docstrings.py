"""Docstrings as reStructuredText: what stands in them is plain text, with code between backquotes and examples."""

import re
from typing import Any

from sphinx.application import Sphinx

_MARKS = re.compile(r"[|*]")  # of emphasis and substitutions there; of sizes and products here
_NOT_OURS = re.compile(r"set_\w+_request|model_config")  # scikit-learn makes the former; the latter is pydantic's


def _escape_marks(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else _MARKS.sub(r"\\\g<0>", line) for line in lines]


def _skip_what_others_made(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    is_field = type(thing).__name__ == "_tuplegetter"  # of a named tuple, whose docstring lists them
    return True if is_field or _NOT_OURS.fullmatch(name) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Escape before napoleon turns sections into fields."""
    app.connect("autodoc-process-docstring", _escape_marks, priority=100)
    app.connect("autodoc-skip-member", _skip_what_others_made)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
