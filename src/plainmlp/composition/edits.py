"""What was changed in params.yaml since compose made it, said as overrides of conf/."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from plainmlp.composition.compose import quote
from plainmlp.system.errors import InputError

_INTERPOLATION = re.compile(r"(\\*)\$\{")
MARKS = "# as composed:"


def marks_line(values: Mapping[str, Any]) -> str:
    """Return the comment that tells later what compose wrote: a short digest for each section of params.yaml.

    Notes
    -----
    `dvc exp run -S` changes values in params.yaml and keeps its comments.
    """
    marks = " ".join(f"{name}={_mark(section)}" for name, section in values.items())
    return f"{MARKS} {marks}\n"


def edited_sections(text: str, found: Mapping[str, Any]) -> list[str]:
    """Return the names of the sections that are not as compose wrote them."""
    marks = _marks(text)
    return sorted(name for name in found.keys() | marks.keys() if _mark(found.get(name)) != marks.get(name))


def edits_as_overrides(text: str, found: Mapping[str, Any], composed: Mapping[str, Any]) -> list[str]:
    """Return the edits of params.yaml as overrides of conf/."""
    marks = _marks(text)
    overrides = []
    for name in edited_sections(text, found):
        new, old = found.get(name), composed.get(name)
        if _mark(new) != _mark(old):
            if _mark(old) != marks.get(name, _mark(None)):
                raise InputError(_ambiguous(name, old))
            overrides += section_overrides(name, new, old)
    return overrides


def with_edits(overrides: Sequence[str], edits: Sequence[str]) -> list[str]:
    """Return the overrides, then the edits; an edit replaces an earlier override of its key."""
    edited = {_key(edit) for edit in edits}
    return [*(override for override in overrides if _key(override) not in edited), *edits]


def literal(value: object) -> str:
    """Return a value in the grammar of Hydra's overrides, in which an interpolation is text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return quote(_escaped(value)) if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    """Return a text that OmegaConf takes as it is: a backslash keeps ${...} from being resolved, and itself from that."""
    return _INTERPOLATION.sub(lambda found: f"{found[1] * 2}\\${{", text)


def section_overrides(name: str, new: object, old: object) -> list[str]:
    """Return the overrides that turn one value of a section of the configuration into another."""
    if not (isinstance(new, Mapping) and isinstance(old, Mapping)):
        return [f"~{name}" if new is None else f"{name}={literal(new)}"]
    changed = [f"{name}.{key}={literal(new[key])}" for key in new if _mark(new[key]) != _mark(old.get(key))]
    return [*changed, *(f"~{name}.{key}" for key in old if key not in new)]


def _ambiguous(name: str, section: object) -> str:
    key = f"{name}.<key>" if isinstance(section, Mapping) else name
    return (
        f"params.yaml: {name} was changed there, by hand or with -S, and in conf/ or overrides.yaml too; run `dvc repro` "
        f"first, or give the change as dvc exp run -S 'overrides.yaml:overrides=[\"{key}=<value>\"]'"
    )


def _marks(text: str) -> dict[str, str]:
    line = next((line for line in text.splitlines() if line.startswith(MARKS)), MARKS)
    pairs = (mark.partition("=") for mark in line.removeprefix(MARKS).split())
    return {name: digest for name, _, digest in pairs}


def _mark(section: object) -> str:
    """Return a short digest, in which true, 1 and 1.0 differ."""
    text = json.dumps(section, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").strip()
