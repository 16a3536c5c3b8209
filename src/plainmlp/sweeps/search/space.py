"""The space of a search: the keys that it varies, and what each may be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from math import floor, isfinite, prod
from typing import Any

import numpy as np

from plainmlp.nn.functions import exp, log
from plainmlp.system.errors import InputError

Value = float | int | str  # a number, or the text of a choice
Values = dict[str, Value]  # by key


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both possible; whole ones if both are.

    Raises
    ------
    InputError
        No number can be drawn from it.
    """

    key: str
    low: float
    high: float
    is_log: bool = False  # draws the logarithm uniformly, not the number
    step: float | None = None  # between two possible numbers

    def __post_init__(self) -> None:
        """Check that the interval has a prior."""
        ends = f"{self.key}: {self.low!r} to {self.high!r}"
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            message = f"{ends} is not an interval to draw from; the ends must be finite numbers, the lower one first"
            raise InputError(message)
        if self.is_log and (self.low <= 0 or self.step not in {None, 1}):
            message = f"{ends} has no logarithm to draw; tag(log, ...) needs an interval above 0, and no step"
            raise InputError(message)

    @property
    def is_whole(self) -> bool:
        """Say whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> Value:
        """Return the value at a share, from 0 to below 1, of the prior; the same bits on every processor."""
        step = self.step or (1 if self.is_whole and not self.is_log else None)
        if step is not None:
            number = self.low + floor(share * (round((self.high - self.low) / step) + 1)) * step
        elif self.is_log:
            margin = 0.5 if self.is_whole else 0.0  # so that the ends are drawn as often as their neighbours
            low, high = log(np.array([self.low - margin, self.high + margin]))
            number = float(exp(np.array([low + share * (high - low)]))[0])
        else:
            number = self.low + share * (self.high - self.low)
        number = min(max(number, self.low), self.high)
        return round(number) if self.is_whole else float(number)


@dataclass(frozen=True)
class Choice:
    """One of some values, as Hydra's overrides write them."""

    key: str
    values: tuple[str, ...]

    def at(self, share: float) -> Value:
        """Return the value at a share, from 0 to below 1, of the values."""
        return self.values[floor(share * len(self.values))]


@dataclass(frozen=True)
class Space:
    """What a search varies, the overrides that all its points share, and the seeds that each candidate is trained from."""

    dimensions: tuple[Interval | Choice, ...]
    fixed: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()  # as overrides; none where the seed is the configuration's

    def __post_init__(self) -> None:
        """Check that there is something to search."""
        if not self.dimensions:
            message = (
                "the space of the search is empty; give a key a range of values, such as "
                "optimizer.learning_rate=tag(log,interval(1e-4,1e-1)) or model.activation=choice(relu,tanh)"
            )
            raise InputError(message)

    def at(self, shares: Sequence[float]) -> Values:
        """Return the values at a share of each dimension."""
        return {each.key: each.at(share) for each, share in zip(self.dimensions, shares, strict=True)}

    @property
    def n_combinations(self) -> int:
        """Return how many combinations of choices there are; raise InputError where a dimension is an interval."""
        return prod(len(each.values) for each in self._choices())

    def combinations(self) -> list[Values]:
        """Return every combination of the choices; raise InputError where a dimension is an interval."""
        choices = [[(each.key, value) for value in each.values] for each in self._choices()]
        return [dict(pairs) for pairs in product(*choices)]

    def _choices(self) -> list[Choice]:
        for each in self.dimensions:
            if isinstance(each, Interval):
                message = f"sweep.trials is missing: {each.key} has more values than can be tried one by one"
                raise InputError(message)
        return [each for each in self.dimensions if isinstance(each, Choice)]

    def edges(self) -> Iterator[Values]:
        """Yield candidates that have each value whose neighbours are then allowed as well."""
        edges = {
            each.key: each.values if isinstance(each, Choice) else (each.low, each.high) for each in self.dimensions
        }
        first = {key: values[0] for key, values in edges.items()}
        for key, values in edges.items():
            yield from ({**first, key: value} for value in values)

    def overrides(self, values: Mapping[str, Value]) -> list[tuple[str, ...]]:
        """Return the overrides of a candidate for each seed; a number is written so that it is read as the same one."""
        own = [f"{key}={value if isinstance(value, str) else repr(value)}" for key, value in values.items()]
        return [(*self.fixed, *own, seed) for seed in self.seeds] or [(*self.fixed, *own)]

    def record(self) -> list[dict[str, Any]]:
        """Return the dimensions as plain values, for a file; `space_of` is the way back."""
        return [asdict(each) for each in self.dimensions]


def space_of(record: Sequence[Mapping[str, Any]]) -> Space:
    """Return the space with the dimensions of a record."""
    return Space(
        tuple(Choice(each["key"], tuple(each["values"])) if "values" in each else Interval(**each) for each in record)
    )
