"""What is wrong with a configuration, in one line: with its composition from conf/, or with what the schema refuses."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from plainmlp.composition.help import keys_of
from plainmlp.config.canonical import one_line, yaml_problem
from plainmlp.config.schema import Config
from plainmlp.system.wording import shown, unknown_key, unknown_name
from plainmlp.tracking.credentials import without_credentials

Keys = Callable[[], Sequence[str]]
Location = tuple[str | int, ...]

GRAMMAR = "write key=value, such as model.activation=tanh or model.hidden_sizes=[8,4]"
LETTERS = "put quotes around such letters, and around the whole for the shell: "
MERGING = "Error merging override"  # whose cause says why
_REFUSED_KEY = re.compile(r"Could not override '([^']*)'|Could not delete from config\. '([^']*)' does not exist")
_NOT_CONFIGURED = re.compile(r"Hydra (sweeper|launcher) is not configured")
_KEY_IN_CAUSE = re.compile(r"full_key: (\S+)")

# pydantic's words for things that YAML has other words for
_YAML_WORDS = {
    r"^Input should be ": "",
    r"^String should have at least 1 character": "a text that is not empty",
    r"^Tuple should have at most (\d+) items.*": r"a list of at most \1",
    r"greater than or equal to": "at least",
    r"less than or equal to": "at most",
    r"greater than": "above",
    r"less than": "below",
    r"a valid dictionary or (an )?(instance|object) of Choice": "a name, or a mapping of a name and its options",
    r"a valid dictionary.*": "a mapping",
    r"a valid tuple": "a list",
    r"a valid string": "a text",
    r"a valid boolean": "true or false",
    r"a valid integer": "a whole number",
    r"a valid number": "a number",
    r"None": "null",
}


def explanation(error: Exception, conf_folder: Path, overrides: Sequence[str], known_keys: Keys) -> str:
    """Say in one line why overrides cannot be composed with a folder, given what Hydra, OmegaConf or the YAML reader raised.

    `known_keys` returns every key that exists with the files that these overrides choose.
    """
    if hasattr(error, "override"):
        hint = GRAMMAR if error.override.isascii() else LETTERS + _with_quotes(error.override)
        return f"override {shown(error.override)} cannot be read ({one_line(str(error))}); {hint}"
    if getattr(error, "missing_cfg_file", None) or "Config group override must be" in str(error):
        return _unknown_file(error, conf_folder, overrides)
    if match := _REFUSED_KEY.search(str(error)):
        key = match[1] or match[2] or ""
        if f"~{key}" in overrides and key in known_keys():  # Hydra finds no key that is null
            return f"override '~{key}' is not allowed: a run needs {key}, which is null already"
        return _unknown_key(key, error, conf_folder, known_keys())
    if mark := getattr(error, "problem_mark", None):
        return yaml_problem(mark.name, error)
    reason = error.__cause__ if str(error).startswith(MERGING) else error
    key = getattr(reason, "full_key", None)
    line = "" if isinstance(error, TypeError) else one_line(str(reason))  # of Hydra's insides
    if isinstance(error, RecursionError):
        key, line = None, f"the overrides {shown(list(overrides))} are nested too deeply"
    if match := _NOT_CONFIGURED.search(line):
        key, line = f"hydra.{match[1]}", "null is not allowed: a sweep needs one"
    line = line or f"the overrides {shown(list(overrides))} cannot be applied"
    return f"{key}: {line}" if key else line


def _with_quotes(override: str) -> str:
    """Return an override as a user has to type it, with quotes around texts that are not ASCII."""
    key, _, value = override.partition("=")
    if re.search(r"[\"'$`\\{}]", override) or not (key.isascii() and override.isprintable()):
        return "\"dataset.drop=['Größe']\""
    quoted = re.sub(r"[^,\[\]]+", lambda text: text[0] if text[0].isascii() else f"'{text[0].strip()}'", value)
    return f'"{key}={quoted}"'


def _unknown_file(error: Exception, conf_folder: Path, overrides: Sequence[str]) -> str:
    """Say that a group has no file of the chosen name, and which files it has."""
    choice = getattr(error, "missing_cfg_file", None) or _null_choice(conf_folder, overrides)
    if choice is None:
        return one_line(str(error))
    group, _, name = str(choice).rpartition("/")
    files = [file.stem for file in (conf_folder / group).glob("*.yaml")]
    return unknown_name(group or "--config-name", name, files or getattr(error, "options", None) or ())


def _null_choice(conf_folder: Path, overrides: Sequence[str]) -> str | None:
    """Return the chosen file if it is not a name, such as null or 5."""
    parts = (override.lstrip("+").partition("=") for override in overrides)
    choices = (f"{key}/{value}" for key, _, value in parts if (conf_folder / key).is_dir())
    return next((choice for choice in choices if not (conf_folder / f"{choice}.yaml").is_file()), None)


def _unknown_key(key: str, error: Exception, conf_folder: Path, known: Sequence[str]) -> str:
    """Say that a key is unknown; if an override's own key exists, a key inside its value is unknown."""
    in_cause = _KEY_IN_CAUSE.search(str(error.__cause__))
    if in_cause and (key in known or in_cause[1].startswith(f"{key}.")):
        whole = f"replace the whole of {key}, write ~{key} +{key}=..."
        return f"{unknown_key(in_cause[1], known)}; to {whole if key in known else f'add it, write +{in_cause[1]}=...'}"
    section, _, word = key.rpartition(".")
    files = [file.stem for file in sorted((conf_folder / section).glob("*.yaml")) if section and word in keys_of(file)]
    hint = f"; {' and '.join(f'{section}={file}' for file in files)} have it" if files else ""
    return unknown_key(key, known) + hint


def schema_problem(error: ValidationError, given: object) -> tuple[str, int]:
    """Return a line for one of the keys that the schema refuses, an unknown one first, and the number of all."""
    unknown: list[Location] = []
    refused: dict[Location, list[str]] = {}
    for detail in error.errors():
        location = detail["loc"]
        if detail["type"] in {"extra_forbidden", "invalid_key"}:
            unknown.append(location)
        else:
            refused.setdefault(_in_configuration(location, given, detail["type"] == "missing"), []).append(
                detail["msg"]
            )
    n_problems = len(unknown) + len(refused)
    if unknown:
        section = unknown[0][:-1]
        return unknown_key(
            dotted_path(unknown[0]), [dotted_path((*section, name)) for name in _keys(unknown[0])]
        ), n_problems
    path, messages = next(iter(refused.items()))
    return _refusal(path, given, messages), n_problems


def refusal(key: str, value: object, messages: Iterable[str]) -> str:
    """Say that a key's value is not allowed, and what pydantic allows: for a union, what each member allows."""
    allowed = " or ".join(dict.fromkeys(map(_in_words, messages)))
    return f"{key or 'the configuration'}={shown(value)} is not allowed: it must be {allowed}"


def dotted_path(path: Location) -> str:
    """Return a path as it is written in an override, such as ``model.hidden_sizes[1]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _refusal(path: Location, given: Any, messages: Sequence[str]) -> str:
    value = given
    for part in path:
        if isinstance(value, Mapping) and part not in value:
            return f"{dotted_path(path)} is missing"
        value = value[part]
    return refusal(dotted_path(path), without_credentials(value) if isinstance(value, str) else value, messages)


def _in_words(message: str) -> str:
    for pattern, words in _YAML_WORDS.items():
        message = re.sub(pattern, words, message)
    return message


def _in_configuration(location: Location, given: Any, is_missing: bool) -> Location:
    """Return the part of pydantic's location that is in the configuration; the rest names the members of unions."""
    for end, part in enumerate(location):
        is_there = (
            part in given if isinstance(given, Mapping) else isinstance(given, Sequence) and isinstance(part, int)
        )
        if not is_there:
            return location[: end + is_missing]
        given = given[part]
    return location


def _keys(location: Location) -> list[str]:
    """Return the keys of the section that a key is in."""
    model: Any = Config
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields) if issubclass(model, BaseModel) else []
