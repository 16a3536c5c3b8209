"""What the tab key offers for a value: the names that its key takes, which Hydra does not know."""

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from plainmlp.composition import choices
from plainmlp.composition.choices import MONITORS, names_of
from plainmlp.config.schema import Config
from plainmlp.nn.activations import ACTIVATIONS

TABLES: dict[str, Iterable[str]] = {
    **{key: names_of(key) for key in choices.TABLES},
    "model.activation": ACTIVATIONS,
    "training.monitor": MONITORS,
}


def offered(line: str) -> list[str]:
    """Return how the last word of a command line may end, if it sets a key that takes only certain names.

    Examples
    --------
    >>> offered("python pipelines/run.py -m model.activation=relu,ta")
    ['model.activation=relu,tanh']
    """
    key, sign, given = line.rpartition(" ")[2].partition("=")
    before, comma, start = given.rpartition(",")
    names = closed_sets().get(key, ()) if sign else ()
    return [f"{key}={before}{comma}{name}" for name in names if name.startswith(start)]


def closed_sets() -> dict[str, Iterable[str]]:
    """Return the names of each key that takes no others."""
    sections = ((name, field.annotation) for name, field in Config.model_fields.items())
    found = {
        f"{name}.{key}": list(_names(field.annotation))
        for name, section in sections
        if isinstance(section, type) and issubclass(section, BaseModel)
        for key, field in section.model_fields.items()
    }
    return {key: names for key, names in found.items() if names} | TABLES


def _names(annotation: Any) -> Iterator[str]:
    """Yield the names that a type allows: a Literal's, true and false for a bool, and those of a union's members."""
    if annotation is bool:
        yield from ("true", "false")
    elif get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif get_origin(annotation) is UnionType:
        for member in get_args(annotation):
            yield from _names(member)
