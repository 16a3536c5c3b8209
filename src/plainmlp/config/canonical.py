"""A configuration as plain values: the same for all its spellings, written as YAML and read back."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from plainmlp.config.code import SECTION as CODE
from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError

LONGEST_YAML, MAX_VALUES = 1_000_000, 50_000  # characters; scalars, lists and mappings
_DETAILS = re.compile(r"full_key: |object_type=|reference_type=|See https:|Error parsing override ")


def canonical(config: Config) -> dict[str, Any]:
    """Return a configuration as plain values in a fixed order: the same for all its spellings, ready for JSON and YAML."""
    return _sorted(config.model_dump(mode="json"))


def _sorted(mapping: dict[str, Any]) -> dict[str, Any]:
    """Sort the keys of a mapping and of the mappings in it."""
    values = ((key, mapping[key]) for key in sorted(mapping))
    return {key: _sorted(value) if isinstance(value, dict) else value for key, value in values}


def flat_items(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of nested mappings, such as ``model`` and ``model.l2``, with its value."""
    for key, value in values.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from flat_items(value, f"{prefix}{key}.")


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Puts quotes around a text that YAML 1.2 would read as a number, such as 1e5; YAML 1.1 would not."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$|0o[0-7]+$"), list("-+.0123456789")
)


def _quoted(dumper: _Dumper, text: str) -> Any:
    """Write a text with escapes if a reader would take one of its characters for a line end."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS.search(text) else None)


_BREAKS = re.compile("[\x85\u2028\u2029]")
_Dumper.add_representer(str, _quoted)


def dump_yaml(config: Config) -> str:
    """Return a configuration as YAML that readers of YAML 1.1 and of 1.2 understand alike."""
    return dump_values(canonical(config))


def dump_values(values: Mapping[str, Any]) -> str:
    """Return nested plain values as such YAML; `parse_yaml` returns them as they were, types and all."""
    return "".join(_dump_section(key, json.dumps(value)) for key, value in values.items()) or "{}\n"


@lru_cache(1024)
def _dump_section(key: str, value: str) -> str:
    """Return a section, given as JSON; the points of a sweep share most of theirs, and PyYAML is slow."""
    section = {key: json.loads(value)}
    return str(yaml.dump(section, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads 1e-05 as a number, as YAML 1.2 and so DVC does, where YAML 1.1 would not; and knows no anchors."""

    n_values = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self.n_values += 1
        problem = f"more than {MAX_VALUES:,} values are not allowed" if self.n_values > MAX_VALUES else None
        if getattr(event, "anchor", None) is not None:
            problem = f"the anchor or alias {event.anchor!r} is not allowed"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str, name: str) -> dict[str, Any]:
    """Return the mapping that a YAML text holds; `name` is the file's, for the line that says what is wrong.

    A text that unpacks to more than it holds, or takes long to read, is refused: one that is too long, has anchors, or is
    nested deeply.
    """
    if len(text) > LONGEST_YAML:
        message = f"{name} has {len(text):,} characters (allowed: {LONGEST_YAML:,})"
        raise InputError(message)
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(yaml_problem(name, error)) from error
    except (RecursionError, ValueError, OverflowError) as error:  # the latter two for an impossible date or number
        message = f"{name}: {'is nested too deeply' if isinstance(error, RecursionError) else one_line(str(error))}"
        raise InputError(message) from None
    if not isinstance(content, dict):
        message = f"{name} must hold a mapping of keys to values"
        raise InputError(message)
    return content


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file, such as params.yaml."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"{path} does not exist"
        raise InputError(message) from error
    except UnicodeDecodeError as error:
        raise InputError(yaml_problem(str(path), error)) from error
    return parse_yaml(text, str(path))


def read_params_file(path: Path) -> Config:
    """Read params.yaml, which compose has checked."""
    from pydantic import ValidationError

    try:
        return Config.model_validate({name: value for name, value in read_yaml(path).items() if name != CODE})
    except ValidationError as error:
        message = f"{path} was changed by hand ({error.error_count()} invalid keys); run dvc repro to rebuild it"
        raise InputError(message) from error


def yaml_problem(file: str, error: Exception) -> str:
    """Say why a file is not valid YAML, and in which line."""
    mark = getattr(error, "problem_mark", None)
    place = f"{file}, line {mark.line + 1}" if mark else file
    return f"{place}: {one_line(getattr(error, 'problem', None) or str(error))}"


def one_line(text: str) -> str:
    """Join the lines of an error, without those about its internals and those without a word."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(line.rstrip(".;") for line in lines if re.search(r"\w", line) and not _DETAILS.match(line))
