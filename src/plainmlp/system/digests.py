"""Digests of values and of code: the same on every machine, from every Python."""

import ast
import hashlib
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest_json(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_modules(root: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 of modules and their names below a root, without comments, docstrings and layout."""
    return digest_json({file.relative_to(root).as_posix(): bare(ast.parse(file.read_bytes())) for file in files})


def modules_below(root: Path, *places: str) -> list[Path]:
    """Return modules, and all modules in folders, that are named relative to a folder."""
    found = (path.rglob("*.py") if path.is_dir() else [path] for path in (root / place for place in places))
    return sorted(chain.from_iterable(found))


def bare(part: object) -> str:
    """Return a part of a syntax tree as text, the same from every Python.

    Notes
    -----
    `ast.dump` shows empty fields, and new versions of Python add some; this leaves them out, with docstrings and places
    in the file.
    """
    if isinstance(part, ast.Constant):
        return f"Constant({part.value!a})"  # in ASCII, since what repr takes for printable grows with Unicode
    if isinstance(part, ast.AST):
        fields = {name: value for name, value in ast.iter_fields(part) if name != "ctx"}
        if isinstance(part, DOCUMENTED) and ast.get_docstring(part, clean=False) is not None:
            fields["body"] = part.body[1:]
        if isinstance(part, ast.JoinedStr):  # Python 3.12 ends some with a text of no length
            fields["values"] = [value for value in part.values if getattr(value, "value", None) != ""]
        shown = (f"{name}={bare(value)}" for name, value in fields.items() if value is not None and value != [])
        return f"{type(part).__name__}({', '.join(shown)})"
    if isinstance(part, list):
        return f"[{', '.join(map(bare, part))}]"
    return ascii(part)
