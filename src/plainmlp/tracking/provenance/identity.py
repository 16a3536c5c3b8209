"""Identity: digests of what can change a result, and the id of a point that they make."""

import ast
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2]
# what can change a result; the rest of the package reads, writes, draws and reports it
RESULT_CODE = (
    "nn",
    "config/schema.py",
    "data",
    "training",
    "evaluation/__init__.py",
    "evaluation/calibration.py",
    "evaluation/evaluate.py",
    "evaluation/intervals.py",
    "evaluation/metrics.py",
    "evaluation/scores.py",
    "evaluation/summands.py",
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
RESULT_SECTIONS = ("backend", "dataset", "model", "optimizer", "seed", "split", "training")
# of their keys, what only says where the data is, and what is kept of a training beside its result
FREE_KEYS = {
    "dataset": {"path"},
    "training": {"threads", "compiled", "loss_every", "digest_every", "checkpoint_epochs", "checkpoint_seconds"},
}


def identify_point(configuration: Mapping[str, Any], data_digest: str, weights_digest: str | None) -> str:
    """Return the id of the point that a run computes: the same id promises the same bits.

    Parameters
    ----------
    configuration : mapping
        The canonical configuration; where runs are recorded, where the data is read from, and how a training is
        digested and kept meanwhile, do not enter.
    data_digest : str
        Digest of the data arrays.
    weights_digest : str, optional
        Digest of the file that the weights start from, whose path does not enter either.

    Returns
    -------
    str
        SHA-256 over the configuration that can change the result, the data and the code, 64 hexadecimal digits.
    """
    relevant = {name: configuration[name] for name in RESULT_SECTIONS}
    for name, free in FREE_KEYS.items():
        relevant[name] = {key: value for key, value in relevant[name].items() if key not in free}
    relevant["model"] = {**relevant["model"], "weights": weights_digest}
    return digest_json({"configuration": relevant, "data": data_digest, "code": digest_code()})


def digest_json(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def digest_code(package: Path = PACKAGE) -> str:
    """Return the SHA-256 of the code that can change a result, without its comments and docstrings.

    Parameters
    ----------
    package : Path
        The folder of the package.

    Notes
    -----
    A process digests a folder once: later edits are not in the code that it runs.
    """
    files = sorted(file for name in RESULT_CODE for file in _python_files(package / name))
    trees = {file.relative_to(package).as_posix(): bare(ast.parse(file.read_bytes())) for file in files}
    return digest_json(trees)


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def bare(part: object) -> str:
    """Return a part of a syntax tree as text, the same from every Python.

    Parameters
    ----------
    part : ast.AST, list, str or other value of a field

    Notes
    -----
    `ast.dump` shows fields that are empty, and new versions of Python add such fields. Neither they count here, nor
    docstrings and places in the file.
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
