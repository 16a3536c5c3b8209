"""Overrides of conf/: the list in overrides.yaml, and changes of params.yaml or recorded runs as overrides."""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from plainmlp.composition.compose import compose, parse, quote
from plainmlp.config.canonical import canonical, dump_values, parse_yaml, read_yaml
from plainmlp.config.inputs import locate_inputs
from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError
from plainmlp.system.files import write_text
from plainmlp.tracking.stored_runs import Reader

_INTERPOLATION = re.compile(r"(\\*)\$\{")
MARKS = "# as composed:"
CONFIGURATION = "config.yaml"  # among the artifacts of a run
CHOSEN_BY_NAME = ("dataset", "optimizer")  # sections whose keys depend on their name, so on the file that is chosen


def read_overrides(path: Path) -> list[str]:
    """Return the overrides that overrides.yaml lists: what `dvc repro` overrides in conf/."""
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
    text = "".join(comments) + dump_values({"overrides": list(overrides)})
    write_text(path, text)


def with_edits(overrides: Sequence[str], edits: Sequence[str]) -> list[str]:
    """Return the overrides followed by the edits; an edit replaces an earlier override of its key."""
    edited = {_key(edit) for edit in edits}
    return [*(override for override in overrides if _key(override) not in edited), *edits]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~").strip()


def marks_line(values: Mapping[str, Any]) -> str:
    """Return the comment that records what compose wrote: a short digest for each section of params.yaml.

    `dvc exp run -S` changes values in params.yaml and keeps its comments.
    """
    marks = " ".join(f"{name}={_mark(section)}" for name, section in values.items())
    return f"{MARKS} {marks}\n"


def _mark(section: object) -> str:
    """Return a short digest, in which true, 1 and 1.0 differ."""
    text = json.dumps(section, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def edited_sections(text: str, found: Mapping[str, Any]) -> list[str]:
    """Return the names of the sections that have changed since compose wrote them."""
    line = next((line for line in text.splitlines() if line.startswith(MARKS)), MARKS)
    parts = (mark.partition("=") for mark in line.removeprefix(MARKS).split())
    marks = {name: digest for name, _, digest in parts}
    return sorted(name for name in found.keys() | marks.keys() if _mark(found.get(name)) != marks.get(name))


def literal(value: object) -> str:
    """Return a value in the grammar of Hydra's overrides, in which an interpolation is text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):  # for OmegaConf a backslash protects ${...}, and another one a backslash
        return quote(_INTERPOLATION.sub(lambda found: f"{found[1] * 2}\\${{", value))
    return json.dumps(value)


def overrides_of_run(run_id: str, store: Reader, checkout: Path) -> list[str]:
    """Return the overrides that make conf/ give the configuration of a run in a store: a single one, or a point of a sweep.

    Paths become relative to the checkout, whose conf/ is overridden.
    """
    from plainmlp.tracking.provenance.identity import RESULT_SECTIONS

    text = store.read_artifact(run_id, CONFIGURATION)
    recorded = parse(parse_yaml(text, f"{CONFIGURATION} of run={run_id}"))
    wanted = canonical(_inside(recorded, checkout))
    return overrides_of({name: wanted[name] for name in RESULT_SECTIONS}, checkout / "conf", f"run={run_id}")


def overrides_of_folder(folder: Path, overrides: Sequence[str], checkout: Path) -> list[str]:
    """Return the overrides that make conf/ alone give what it gives together with a folder of the user's own files."""
    if not folder.is_dir():
        message = f"--config-dir {folder} is not a folder"
        raise InputError(message)
    beside = f"hydra.searchpath=[{quote(f'file://{folder.resolve()}')}]"
    config = parse(compose(checkout / "conf", [beside, *overrides]))
    return overrides_of(canonical(_inside(config, checkout)), checkout / "conf", f"--config-dir {folder}")


def _inside(config: Config, checkout: Path) -> Config:
    """Return a configuration whose paths are relative to the checkout."""
    return locate_inputs(config, lambda key, path: Path(os.path.relpath(path, checkout)))


def overrides_of(wanted: Mapping[str, Any], conf: Path, origin: str, base: Sequence[str] = ()) -> list[str]:
    """Return the overrides that give certain sections of a configuration, on top of those of the base.

    Raises InputError, with the origin first in the message, if no overrides of conf/ give them.
    """
    from plainmlp.composition.choices import REQUIRED_DATASET_KEYS

    given = canonical(parse(compose(conf, base)))
    overrides = [
        f"{section}={wanted[section]['name']}"
        for section in CHOSEN_BY_NAME
        if wanted[section]["name"] != given[section]["name"]
    ]
    if overrides:
        dataset = wanted["dataset"]
        overrides += [
            f"dataset.{key}={literal(dataset[key])}" for key in REQUIRED_DATASET_KEYS.get(dataset["name"], ())
        ]
        given = canonical(parse(compose(conf, with_edits(base, overrides))))
    for section, values in wanted.items():
        overrides += _section_overrides(section, values, given[section])
    found = canonical(parse(compose(conf, with_edits(base, overrides))))
    for section, values in wanted.items():
        if found[section] != values:
            message = f"{origin}: conf/ cannot give its {section}: {found[section]} instead of {values}"
            raise InputError(message)
    return overrides


def _section_overrides(name: str, new: object, old: object) -> list[str]:
    """Return the overrides that turn one value of a section of the configuration into another."""
    if not (isinstance(new, Mapping) and isinstance(old, Mapping)):
        return [] if _mark(new) == _mark(old) else [f"{name}={literal(new)}"]
    changed = [f"{name}.{key}={literal(new[key])}" for key in new if _mark(new[key]) != _mark(old.get(key))]
    return [*changed, *(f"~{name}.{key}" for key in old if key not in new)]
