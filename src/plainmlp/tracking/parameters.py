"""The parameters of a run: its configuration, flat, under the keys that it has in conf/."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plainmlp.system.errors import InputError

LONGEST_PARAMETER = 6000  # MLflow cuts longer values
LONGEST_KEY = 250  # MLflow refuses longer ones
LONGEST_TAG = 8000
ESCAPE = "-"  # of the few signs that MLflow takes in a key everywhere the one that our keys do without
DIGEST = f"{ESCAPE}sha256{ESCAPE}"  # what no escaped key begins with, since s is no hexadecimal digit
_PLAIN = re.compile(r"[A-Za-z0-9_]")
_ESCAPED = re.compile(f"{ESCAPE}([0-9A-F]*){ESCAPE}")
_SHORTENED = re.compile(r" \.\.\. \(shortened; whole in config\.yaml; SHA-256 [0-9a-f]{64}\)$")
Path = tuple[str, ...]


def flat_parameters(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return a canonical configuration as MLflow parameters under their keys, such as `model.hidden_sizes`.

    An entry chosen by name has its name under its own key and its options below it: `model.initializer` and
    `model.initializer.mean`. A value that MLflow would cut is shortened, and says so; a key that it would refuse is
    written as `parameter_key` says. No two keys become one.
    """
    return {parameter_key(path): _shortened(_text(value)) for path, value in _leaves(configuration)}


def shortened_keys(parameters: Mapping[str, str]) -> list[str]:
    """Return the keys of the parameters of which MLflow does not hold the whole value or the whole key."""
    return [key for key, text in parameters.items() if key.startswith(DIGEST) or _SHORTENED.search(text)]


def shortening_note(keys: Sequence[str]) -> str:
    """Return keys as the value of a tag."""
    text = ", ".join(keys)
    return text if len(text) <= LONGEST_TAG else f"{len(keys)} parameters: {text}"[: LONGEST_TAG - 4] + " ..."


def parameter_key(path: Sequence[str]) -> str:
    """Return the key of the parameter at a path in the configuration.

    Parameters
    ----------
    path : sequence of str
        The keys from the outermost to the innermost.

    Returns
    -------
    str
        The keys with dots between them. A sign other than a letter, a digit or _ is written as its code, ``[`` as
        ``-5B-``; an empty key as ``--``. What is too long then is its beginning behind the SHA-256 of all of it.

    Examples
    --------
    >>> parameter_key(["model", "a[0].b"])
    'model.a-5B-0-5D--2E-b'
    """
    key = ".".join(_escaped(part) for part in path)
    if len(key) <= LONGEST_KEY:
        return key
    return f"{DIGEST}{hashlib.sha256(key.encode()).hexdigest()} {key}"[:LONGEST_KEY].rstrip()


def parameter_path(key: str) -> Path:
    """Return the path in the configuration that `parameter_key` wrote as a key.

    Raises
    ------
    InputError
        The key was too long for MLflow and is there as a digest: `parameter_paths` knows it.
    """
    if key.startswith(DIGEST):
        message = f"the parameter {key!r} is not there by its whole key; config.yaml has it"
        raise InputError(message)
    return tuple(
        _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", part) for part in key.split(".")
    )


def parameter_paths(configuration: Mapping[str, Any]) -> dict[str, Path]:
    """Return for each parameter of a configuration its path there, also for what was too long for MLflow."""
    return {parameter_key(path): path for path, _ in _leaves(configuration)}


def _leaves(mapping: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that is no mapping of values, with its path."""
    for key, value in mapping.items():
        if not isinstance(value, Mapping) or not value:
            yield (*path, key), value
        elif path and isinstance(value.get("name"), str):  # below a section, a chosen entry
            yield (*path, key), value["name"]
            yield from _leaves({name: option for name, option in value.items() if name != "name"}, (*path, key))
        else:
            yield from _leaves(value, (*path, key))


def _escaped(part: str) -> str:
    text = "".join(sign if _PLAIN.match(sign) else f"{ESCAPE}{ord(sign):X}{ESCAPE}" for sign in part)
    return text or ESCAPE + ESCAPE


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="backslashreplace").decode()  # the rest of a file name that is no text


def _shortened(text: str) -> str:
    """Return a text that MLflow takes whole; different texts stay different."""
    if len(text) <= LONGEST_PARAMETER:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    note = f" ... (shortened; whole in config.yaml; SHA-256 {digest})"
    return text[: LONGEST_PARAMETER - len(note)] + note
