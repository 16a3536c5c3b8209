"""What the schema finds wrong with a configuration, in pydantic's words, with the key and the value."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from plainmlp.config.schema import Config, TrackingSection
from plainmlp.system.wording import shown, unknown_key
from plainmlp.tracking.credentials import holds_credentials, without_credentials

Path = tuple[str | int, ...]

# pydantic's words for things that YAML has other words for
_YAML_WORDS = {
    r"^Input should be ": "",
    r"^String should have at least 1 character": "a text that is not empty",
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


def schema_problems(error: ValidationError, given: object) -> list[str]:
    """Return one line for each key that the schema refuses in a configuration, unknown keys first."""
    unknown: list[str] = []
    refused: dict[Path, list[str]] = {}
    for detail in error.errors():
        location = detail["loc"]
        if detail["type"] in {"extra_forbidden", "invalid_key"}:
            unknown.append(
                unknown_key(written(location), [written((*location[:-1], name)) for name in _keys(location)])
            )
        else:
            refused.setdefault(_path(location, given, detail["type"] == "missing"), []).append(detail["msg"])
    return [*unknown, *(_refusal(path, given, messages) for path, messages in refused.items())]


def address_problems(key: str, address: str) -> list[str]:
    """Return a line if an address of a store holds credentials, which it would bring into every file that names it."""
    if not holds_credentials(address):
        return []
    allowed = (
        "an address without credentials; those belong in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or with the whole address in MLFLOW_TRACKING_URI"
    )
    return [refusal(key, without_credentials(address), [allowed])]


def tracking_problems(tracking: TrackingSection) -> list[str]:
    """Return one line for each key of tracking that would write where it should not, or what it should not."""
    problems = address_problems("tracking.uri", tracking.uri or "")
    parts = tracking.experiment.split("/")  # it becomes a folder of artifacts
    if {"", ".", ".."} & set(parts) or not tracking.experiment.isprintable():
        allowed = "a name of printable characters, with no / at an end and no part . or .."
        problems.append(refusal("tracking.experiment", tracking.experiment, [allowed]))
    return problems


def refusal(key: str, value: object, messages: Iterable[str]) -> str:
    """Say that a key's value is not allowed, and what pydantic would allow: of a union, what each member says."""
    allowed = " or ".join(dict.fromkeys(map(_in_words, messages)))
    return f"{key or 'the configuration'}={shown(value)} is not allowed: it must be {allowed}"


def written(path: Path) -> str:
    """Return a path as it is written in an override, such as ``model.hidden_sizes[1]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _refusal(path: Path, given: Any, messages: Sequence[str]) -> str:
    value = given
    for part in path:
        if isinstance(value, Mapping) and part not in value:
            return f"{written(path)} is missing"
        value = value[part]
    return refusal(written(path), without_credentials(value) if isinstance(value, str) else value, messages)


def _in_words(message: str) -> str:
    for pattern, words in _YAML_WORDS.items():
        message = re.sub(pattern, words, message)
    return message


def _path(location: Path, given: Any, is_missing: bool) -> Path:
    """Return the part of pydantic's location that is in the configuration; its rest names members of unions."""
    for end, part in enumerate(location):
        is_there = (
            part in given if isinstance(given, Mapping) else isinstance(given, Sequence) and isinstance(part, int)
        )
        if not is_there:
            return location[: end + is_missing]
        given = given[part]
    return location


def _keys(location: Path) -> list[str]:
    """Return the keys of the section that a key is in."""
    model: Any = Config
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields) if issubclass(model, BaseModel) else []
