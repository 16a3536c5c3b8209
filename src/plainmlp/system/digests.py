"""Digests of values and of code: the same on every machine, from every Python."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
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
    return digest_sources(read_sources(root, files))


def read_sources(root: Path, files: Iterable[Path]) -> dict[str, bytes]:
    """Return the sources of modules by their names below a root."""
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in files}


def digest_sources(sources: Mapping[str, bytes]) -> str:
    """Return what `digest_modules` does, for sources that have been read."""
    return digest_json({name: bare_module(source) for name, source in sources.items()})


def bare_module(source: bytes) -> str:
    """Return the syntax tree of a module as text."""
    return bare(ast.parse(source))


def modules_below(root: Path, *places: str) -> list[Path]:
    """Return the modules at places below a folder: files, and all modules in folders."""
    found = (path.rglob("*.py") if path.is_dir() else [path] for path in (root / place for place in places))
    return sorted(chain.from_iterable(found))


def bare(part: Any) -> str:
    """Return a part of a syntax tree as text, the same from every Python.

    Notes
    -----
    `ast.dump` shows empty fields, and new versions of Python add some; this leaves them out, with docstrings and places
    in the file.
    """
    kind = type(part)
    if kind is ast.Constant:
        return f"Constant({part.value!a})"  # in ASCII, since what repr takes for printable grows with Unicode
    if kind is list:
        return f"[{', '.join([bare(each) for each in part])}]"
    if not isinstance(part, ast.AST):
        return ascii(part)
    fields: dict[str, Any] = {name: getattr(part, name, None) for name in part._fields if name != "ctx"}
    if isinstance(part, DOCUMENTED) and ast.get_docstring(part, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    if kind is ast.JoinedStr:  # Python 3.12 ends some with a text of no length
        fields["values"] = [value for value in fields["values"] if getattr(value, "value", None) != ""]
    shown = [f"{name}={bare(value)}" for name, value in fields.items() if value is not None and value != []]
    return f"{kind.__name__}({', '.join(shown)})"
