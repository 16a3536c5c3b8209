"""A configuration as plain values: the same for all its spellings, written as YAML and read back."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from plainmlp.config.code import SECTION as CODE
from plainmlp.config.schema import Config
from plainmlp.system.errors import InputError

_DETAILS = re.compile(r"full_key: |object_type=|reference_type=|See https:|Error parsing override ")


def canonical(config: Config) -> dict[str, Any]:
    """Return a configuration as plain values in one order: the same for all its spellings, ready for JSON and YAML."""
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


_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$|0o[0-7]+$"), list("-+.0123456789")
)


def _quoted(dumper: _Dumper, text: str) -> Any:
    """Write a text with escapes where a reader would take a sign in it for a line's end, and fold it."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS.search(text) else None)


_BREAKS = re.compile("[\x85\u2028\u2029]")
_Dumper.add_representer(str, _quoted)


def dump_yaml(config: Config) -> str:
    """Return a configuration as YAML that readers of YAML 1.1 and of 1.2 understand alike."""
    return dump_values(canonical(config))


def dump_values(values: Mapping[str, Any]) -> str:
    """Return nested plain values as such YAML; `parse_yaml` returns them as they were, types and all."""
    return str(yaml.dump(values, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1000))


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads 1e-05 as a number, as YAML 1.2 and so DVC does; YAML 1.1 would not."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_yaml(text: str) -> Any:
    """Return the value that a YAML text holds."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML file, such as params.yaml."""
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{path} does not exist"
        raise InputError(message) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(yaml_problem(path, error)) from error
    if not isinstance(content, dict):
        message = f"{path} must hold a mapping of keys to values"
        raise InputError(message)
    return content


def read_parameters(path: Path) -> Config:
    """Read params.yaml, which compose has checked."""
    from pydantic import ValidationError

    try:
        return Config.model_validate({name: value for name, value in read_yaml(path).items() if name != CODE})
    except ValidationError as error:
        message = f"{path} was changed by hand ({error.error_count()} invalid keys); run dvc repro to rebuild it"
        raise InputError(message) from error


def yaml_problem(file: Path, error: Exception) -> str:
    """Say where a file is no YAML, as far as the reader's error tells."""
    mark = getattr(error, "problem_mark", None)
    place = f"{file}, line {mark.line + 1}" if mark else str(file)
    return f"{place}: {one_line(getattr(error, 'problem', None) or str(error))}"


def one_line(text: str) -> str:
    """Join the lines of an error, without those that speak of its machinery and those without a word."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(line.rstrip(".;") for line in lines if re.search(r"\w", line) and not _DETAILS.match(line))
