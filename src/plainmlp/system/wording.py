"""The words of an input error: the key, the value, what is allowed and a near match."""

import reprlib
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_YAML_NAMES = {"None": "null", "True": "true", "False": "false"}


def shown(value: object) -> str:
    """Return a value as one short line, with quotes around a text so that '5' is not taken for 5."""
    text = _SHORT.repr(value)
    return _YAML_NAMES.get(text, text)


def reason(error: BaseException) -> str:
    """Return what an error says in one line, or its name if it says nothing."""
    return printable(" ".join(str(error).split()) or type(error).__name__)


def printable(text: str) -> str:
    """Return a text with escapes for line ends and all that could do something to a terminal."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def near_match(word: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed word that is most like the given one, or None."""
    return next(iter(get_close_matches(word, list(allowed), n=1)), None)


def unknown_name(key: str, name: str, allowed: Iterable[str]) -> str:
    """Say that a key holds no name of its table, and which names are allowed.

    Examples
    --------
    >>> unknown_name("model.activation", "tanhh", ["relu", "tanh"])
    "model.activation='tanhh' is unknown; did you mean 'tanh'? (allowed: relu, tanh)"
    """
    names = sorted(allowed)
    return f"{key}={shown(name)} is unknown{_meant(near_match(name, names))} (allowed: {', '.join(names)})"


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Say that a key does not exist, and which keys its section has.

    Keys are whole, such as ``model.activation``. The near match comes from the key's own section, else from the last
    words of all known keys (a key in the wrong section), else from the whole keys (a misspelt section).
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


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown, and an empty line after it."""
    lines = (f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in row)} |" for row in rows)
    return [f"| {' | '.join(header)} |", "|" + " --- |" * len(header), *lines, ""]
