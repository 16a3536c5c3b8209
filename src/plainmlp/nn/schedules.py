"""Schedules: by which factor the learning rate is multiplied in each epoch.

A schedule is a generator: it yields the factor of the next epoch and is sent the loss of the epoch that was trained
with it (the validation loss where there is one), so that it may react to it.
"""

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from plainmlp.nn.arithmetic import whole_power
from plainmlp.nn.options import Option, fill_options

Factors = Generator[float, float, None]


class Schedule(NamedTuple):
    """A schedule and its options.

    Parameters
    ----------
    factors : callable (epochs, **options) -> generator of float
        `epochs` is how many the training has.
    options : mapping of str to Option
    """

    factors: Callable[..., Factors]
    options: Mapping[str, Option] = {}


def _constant(epochs: int) -> Factors:
    while True:
        yield 1.0


def _step(epochs: int, *, every_epochs: int = 1, factor: float) -> Factors:
    """Multiply by `factor` once every `every_epochs` epochs, as the exponential schedule does after each."""
    for epoch in count():
        yield float(whole_power(factor, np.array(epoch // every_epochs)))


def _cosine(epochs: int, *, minimum_factor: float) -> Factors:
    """Fall from 1 towards `minimum_factor` along half a cosine over all epochs (Loshchilov and Hutter, 2017)."""
    for epoch in count():
        share = min(epoch / epochs, 1.0)
        yield minimum_factor + (1 - minimum_factor) * _falling_cosine(share)


def _falling_cosine(share: float) -> float:
    """Return (1 + cos(pi x)) / 2 for x from 0 to 1, as 1 - sin^2(pi x / 2) with the sine's Taylor series."""
    angle = math.pi / 2 * share
    term = sine = angle
    for n in range(2, 24, 2):
        term *= -(angle * angle) / (n * (n + 1))
        sine += term
    return 1 - sine * sine


def _linear_warmup(epochs: int, *, warmup_epochs: int) -> Factors:
    """Rise in equal steps to 1 in epoch `warmup_epochs`, then stay (Goyal et al., 2017)."""
    for epoch in count():
        yield min((epoch + 1) / warmup_epochs, 1.0)


def _reduce_on_plateau(epochs: int, *, factor: float, plateau_epochs: int, minimum_factor: float) -> Factors:
    """Multiply by `factor` when the loss has not reached a new minimum for `plateau_epochs` epochs."""
    current, best, waited = 1.0, math.inf, 0
    while True:
        loss = yield current
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited >= plateau_epochs:
            current, waited = max(current * factor, minimum_factor), 0


def _factor(default: float) -> Option:
    return Option(default, minimum=0, maximum=1, open_minimum=True)


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant),
    "step": Schedule(_step, {"every_epochs": Option(10, minimum=1), "factor": _factor(0.5)}),
    "exponential": Schedule(_step, {"factor": _factor(0.95)}),
    "cosine": Schedule(_cosine, {"minimum_factor": Option(0.0, minimum=0, maximum=1)}),
    "linear_warmup": Schedule(_linear_warmup, {"warmup_epochs": Option(5, minimum=1)}),
    "reduce_on_plateau": Schedule(
        _reduce_on_plateau,
        {
            "factor": _factor(0.5),
            "plateau_epochs": Option(5, minimum=1),
            "minimum_factor": Option(0.0, minimum=0, maximum=1),
        },
    ),
}


def start_schedule(name: str, options: Mapping[str, Any], epochs: int) -> Factors:
    """Return the factors of a schedule, one an epoch.

    Parameters
    ----------
    name : str
        A name in SCHEDULES.
    options : mapping of str to float
        Options of that entry; those left out have their defaults.
    epochs : int
        How many epochs the training has.
    """
    entry = SCHEDULES[name]
    return entry.factors(epochs, **fill_options(entry.options, options))


def replay(schedule: Factors, losses: Iterable[float]) -> float:
    """Take a new schedule to the epoch that follows on those with the given losses, and return its factor."""
    factor = next(schedule)
    for loss in losses:
        factor = schedule.send(loss)
    return factor
