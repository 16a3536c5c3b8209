"""The settings of a sweep: the keys that it varies, the values that a point has of them, and their order."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from plainmlp.sweeps.ranking.results import SEED

STOP_AFTER = "training.stop_after"
ASIDE = ("tracking.", "sweep.")  # where a point is recorded, and beside which others, does not change it
Identity = tuple[tuple[str, str], ...]


def settings_but(left_out: str, parameters: Mapping[str, str]) -> Identity:
    """Return all settings of a point but one; points that share all but the seed are one row of a leaderboard."""
    return tuple(sorted((k, v) for k, v in parameters.items() if k != left_out and not k.startswith(ASIDE)))


def swept_keys(points: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys in which the parameters of points differ, without the seed, in alphabetical order.

    An option that only some points have, such as `optimizer.momentum`, is left out if another of these keys already
    determines its value.
    """
    distinct = [dict(items) for items in dict.fromkeys(settings_but(SEED, parameters) for parameters in points)]
    keys = sorted({key for point in distinct for key in point})
    varied = [key for key in keys if len({point.get(key) for point in distinct}) > 1]
    common = [key for key in varied if all(key in point for point in distinct)]
    return [key for key in varied if key in common or not any(_determines(distinct, other, key) for other in common)]


def _determines(points: Sequence[Mapping[str, str]], first: str, second: str) -> bool:
    """Say whether the value of the first key determines that of the second."""
    return len({(point[first], point.get(second)) for point in points}) == len({point[first] for point in points})


def settings_of(parameters: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Return a point's values of some keys, as MLflow has them; "" if absent."""
    return {key: parameters.get(key, "") for key in keys}


def value_order(text: str) -> tuple[int, Any, str]:
    """Return a key that sorts values as a reader would: numbers by size, lists of numbers by length, then texts.

    Examples
    --------
    >>> sorted(["[64, 32]", "tanh", "10", "[128]", "9", "relu", "[]"], key=value_order)
    ['9', '10', '[]', '[128]', '[64, 32]', 'relu', 'tanh']
    """
    try:
        value = json.loads(text, parse_constant=lambda name: None)  # NaN has no place among numbers
    except ValueError:
        value = None
    if isinstance(value, list) and all(isinstance(item, int | float) for item in value):
        return 1, (len(value), value), text
    return (0, value, text) if isinstance(value, int | float) else (2, "", text)


def settings_order(settings: Mapping[str, str]) -> tuple[tuple[int, Any, str], ...]:
    """Return a key that sorts the settings of points."""
    return tuple(value_order(value) for value in settings.values())


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return for each key its last part, that of `optimizer.name` being `optimizer`; if two are alike, the whole keys.

    Examples
    --------
    >>> short_names(["model.activation", "optimizer.name", "seed", "split.seed"])
    {'model.activation': 'activation', 'optimizer.name': 'optimizer', 'seed': 'seed', 'split.seed': 'split.seed'}
    """
    ends = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}
