"""The combinations that a sweep leaves out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from plainmlp.system.errors import InputError
from plainmlp.system.wording import unknown_key

Rule = Mapping[str, Any]


class Excluder:
    """Tells which points are left out, and remembers the keys that points have.

    A point is left out if it agrees with every key of a rule. A key is one of the configuration, such as ``model.l2``, or a
    group of files, such as ``optimizer``; its value is a value, the name of a file or of an entry, or a list of such.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self._keys: set[str] = set()

    def excludes_given(self, given: Mapping[str, Any]) -> bool:
        """Say whether a point is left out by the keys and groups that its overrides set."""
        return self._excludes(given, lambda key: [given[key]] if key in given else [])

    def excludes_composed(self, values: Mapping[str, Any], choices: Mapping[str, Any]) -> bool:
        """Say whether a point is left out by its whole configuration and the chosen file of each group."""
        if not self.rules:
            return False
        flat = dict(flat_items(values))
        return self._excludes({**flat, **choices}, lambda key: _spellings(key, flat, choices))

    def check_keys(self) -> None:
        """Raise InputError for a key that no point has had, with the nearest that one has."""
        for key in (key for rule in self.rules for key in rule):
            if key not in self._keys:
                message = f"sweep.exclude: {unknown_key(key, sorted(self._keys))}"
                raise InputError(message)

    def _excludes(self, keys: Mapping[str, Any], values_of: Callable[[str], Sequence[Any]]) -> bool:
        self._keys.update(keys)
        return any(all(_agrees(wanted, values_of(key)) for key, wanted in rule.items()) for rule in self.rules)


def flat_items(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every key of nested mappings, such as ``model`` and ``model.l2``, with its value."""
    for key, value in values.items():
        yield f"{prefix}{key}", value
        if isinstance(value, Mapping):
            yield from flat_items(value, f"{prefix}{key}.")


def _spellings(key: str, flat: Mapping[str, Any], choices: Mapping[str, Any]) -> list[Any]:
    """Return every value or name by which a rule can mean what a point has under a key."""
    found = [table[key] for table in (flat, choices) if key in table]
    return [*found, *(value["name"] for value in found if isinstance(value, Mapping) and "name" in value)]


def _agrees(wanted: Any, values: Sequence[Any]) -> bool:
    return any(value == wanted or (isinstance(wanted, list) and value in wanted) for value in values)
