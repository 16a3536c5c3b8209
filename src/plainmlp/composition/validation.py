"""What the schema finds wrong with a configuration, in words that name the key, the value and what is allowed."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError

from plainmlp.config.schema import Config
from plainmlp.system.wording import allowed_values, shown, unknown_key

Path = tuple[str | int, ...]


def schema_problems(error: ValidationError, given: object) -> list[str]:
    """Return one line for each key that the schema refuses, unknown keys first."""
    unknown: dict[Path, str] = {}
    refused: dict[Path, str] = {}
    for detail in error.errors():
        path = _path(detail["loc"], given)
        if detail["type"] in {"extra_forbidden", "invalid_key"}:
            unknown[path] = unknown_key(written(path), [written((*path[:-1], name)) for name in _properties(path[:-1])])
        else:
            refused[path] = _refusal(path, given)
    return [*unknown.values(), *refused.values()]


def written(path: Path) -> str:
    """Return a path as it is written in an override, such as ``model.hidden_sizes[1]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


def _path(location: Path, given: object) -> Path:
    """Return the part of pydantic's location that is in the configuration; its rest names members of unions."""
    path: Path = ()
    for part in location:
        if isinstance(given, Mapping) and (part in given or part in _properties(path)):
            given = given.get(part)
        elif isinstance(given, Sequence) and isinstance(part, int):
            given = given[part]
        else:
            break
        path = (*path, part)
    return path


def _refusal(path: Path, given: object) -> str:
    allowed = allowed_values(_node(path))
    *parents, last = path or ("",)
    for part in parents:
        given = given[part]  # type: ignore[index]  # the path was followed through this very value
    if isinstance(given, Mapping) and path and last not in given:
        return f"{written(path)} is missing: it must be {allowed}"
    value = given[last] if path else given  # type: ignore[index]
    return f"{written(path) or 'the configuration'}={shown(value)} is not allowed: it must be {allowed}"


def _properties(section: Path) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = _node(section).get("properties", {})
    return properties


def _node(path: Path) -> Mapping[str, Any]:
    """Return the schema of what stands at a path."""
    node: Mapping[str, Any] = _schema()
    for part in path:
        node = _resolved(node["items"] if isinstance(part, int) else node["properties"][part])
    return {**node, "items": _resolved(node["items"])} if "items" in node else node


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    resolved: Mapping[str, Any] = _schema()["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return resolved


@cache
def _schema() -> dict[str, Any]:
    return Config.model_json_schema()
