"""The words of an input error: the key, the value, what is allowed and what may have been meant."""

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_YAML_NAMES = {"None": "null", "True": "true", "False": "false"}
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
_PLAIN_TYPES = {"string": "a text that is not empty", "boolean": "true or false", "null": "null"}


def shown(value: object) -> str:
    """Return a value as one short line, with quotes around a text so that '5' is not taken for 5."""
    text = _SHORT.repr(value)
    return _YAML_NAMES.get(text, text)


def near_match(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed word that is most like the given one, or None where none is like it."""
    return next(iter(get_close_matches(word, list(allowed), n=1)), None)


def unknown_name(key: str, name: str, allowed: Iterable[str]) -> str:
    """Say that a key holds no name of its table, and which it may hold.

    Parameters
    ----------
    key : str
        The whole key, such as ``model.activation``.
    name : str
        What was given.
    allowed : iterable of str
        The names of the table.

    Examples
    --------
    >>> unknown_name("model.activation", "tanhh", ["relu", "tanh"])
    "model.activation='tanhh' is unknown; did you mean 'tanh'? (allowed: relu, tanh)"
    """
    names = sorted(allowed)
    return f"{key}={shown(name)} is unknown{_meant(near_match(name, names))} (allowed: {', '.join(names)})"


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Say that a key does not exist, and which keys its section has.

    Parameters
    ----------
    key : str
        The whole key, such as ``model.activaton``.
    known : sequence of str
        Whole keys that exist, of all sections.

    Notes
    -----
    The near match is looked for in the key's own section, then among the last words of all keys (a key in the wrong
    section), then among the whole keys (a misspelt section).
    """
    section, _, word = key.rpartition(".")
    siblings = [name.removeprefix(f"{section}.") for name in known if name.rpartition(".")[0] == section]
    allowed = f" (allowed in {section or 'the configuration'}: {', '.join(sorted(siblings))})" if siblings else ""
    return f"{key or shown(key)} is an unknown key{_meant(_near_key(section, word, siblings, known))}{allowed}"


def _near_key(section: str, word: str, siblings: Sequence[str], known: Sequence[str]) -> str | None:
    if sibling := near_match(word, siblings):
        return f"{section}.{sibling}".lstrip(".")
    if same_word := [name for name in known if name.rpartition(".")[2] == word]:
        return near_match(f"{section}.{word}", same_word) or same_word[0]
    return None if siblings else near_match(f"{section}.{word}", known)


def _meant(match: str | None) -> str:
    return f"; did you mean '{match}'?" if match else ""


def number(*, whole: bool, bounds: Mapping[str, float]) -> str:
    """Describe the numbers of a range whose ends are named as in JSON Schema.

    Examples
    --------
    >>> number(whole=True, bounds={"minimum": 0, "exclusiveMaximum": 8})
    'a whole number, at least 0 and below 8'
    """
    ends = [f"{words} {bounds[name]}" for name, words in _BOUNDS.items() if name in bounds]
    kind = "a whole number" if whole else "a finite number"
    return f"{kind}, {' and '.join(ends)}" if ends else kind


def allowed_values(node: Mapping[str, Any]) -> str:
    """Describe in words what a node of a JSON Schema allows.

    Examples
    --------
    >>> allowed_values({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "full", "type": "string"}]})
    "a whole number, at least 1; or 'full'"
    """
    if "anyOf" in node:
        return "; or ".join(allowed_values(member) for member in node["anyOf"])
    if names := node.get("enum", [node["const"]] if "const" in node else []):
        return " or ".join(f"'{name}'" for name in names)
    if node["type"] in {"integer", "number"}:
        return number(whole=node["type"] == "integer", bounds=node)
    if node["type"] == "array":
        return f"a list whose items are each {allowed_values(node['items'])}"
    return _PLAIN_TYPES.get(node["type"]) or _mapping(node)


def _mapping(node: Mapping[str, Any]) -> str:
    if list(node["properties"]) == ["name"]:
        return "a name, or a mapping of a name and its options"
    keys = ", ".join(node["properties"])
    return f"a mapping with the keys {keys}" if keys else "a mapping of keys to values"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown, and an empty line after it."""
    lines = (f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in row)} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|" + " --- |" * len(header), *lines, ""]
