"""Phases: where the time of a step of ours goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from plainmlp.nn.batches import Batches
from plainmlp.nn.descent import Descent
from plainmlp.nn.gradient import Gradient
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Passes
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.scoring import Examination, Scorer
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.vitality import DeadUnits
from speed.ours import train_stacked
from speed.problem import Problem

REST = "rest"
METHODS: Mapping[str, tuple[tuple[type, str], ...]] = {
    "gather": ((Batches, "_block"), (Batches, "shuffled"), (Batches, "_gather")),
    "forward": ((Passes, "forward"),),
    "backward": ((Gradient, "backward"),),
    "scoring": ((Scorer, "measure"),),
    "validation": ((Examination, "run"),),
    "dead units": ((DeadUnits, "share"),),
    "digest": ((Snapshot, "digest"),),
    "update": ((Descent, "_coefficients"),),
}
PHASES = (
    *("gather", "forward", "output error", "backward", "update"),
    *("scoring", "validation", "dead units", "digest", REST),
)
ENTRIES: Mapping[str, tuple[dict[str, Any], str]] = {
    "output error": (LOSSES, "error"),
    "update": (OPTIMIZERS, "update"),
}


class Stopwatch:
    """Seconds by phase; a phase within another stops the outer one's clock, but what validation calls is its own."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open = [REST]
        self._since = time.perf_counter()

    def reset(self) -> None:
        """Forget what was measured."""
        self.seconds.clear()
        self._since = time.perf_counter()

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a callable whose time counts for a phase."""

        def measured(*arguments: Any, **options: Any) -> Any:
            self._switch()
            self._open.append(phase if self._open[-1] not in {"validation", "dead units"} else self._open[-1])
            try:
                return call(*arguments, **options)
            finally:
                self._switch()
                self._open.pop()

        return measured

    def stepwise(self, phase: str, call: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Return a generator function whose time between two values counts for a phase."""

        def measured(*arguments: Any) -> Iterator[Any]:
            step = self.timed(phase, call(*arguments).__next__)
            while True:
                try:
                    value = step()
                except StopIteration:
                    return
                yield value

        return measured


@contextmanager
def watched(stopwatch: Stopwatch) -> Iterator[None]:
    """Let a stopwatch follow every training that begins meanwhile."""
    with ExitStack() as stack:
        for phase, methods in METHODS.items():
            for owner, name in methods:
                wrap = stopwatch.stepwise if name in {"shuffled", "_gather"} else stopwatch.timed
                stack.enter_context(patch.object(owner, name, wrap(phase, getattr(owner, name))))
        for phase, (entries, field) in ENTRIES.items():
            wrapped = {
                name: entry._replace(**{field: stopwatch.timed(phase, getattr(entry, field))})
                for name, entry in entries.items()
            }
            stack.enter_context(patch.dict(entries, wrapped))
        yield


def phase_microseconds(problem: Problem, n_epochs: int) -> dict[str, float]:
    """Return the microseconds that each phase takes of a step, the first epoch left out; per network in a stack."""
    stopwatch = Stopwatch()
    with watched(stopwatch):
        train_stacked(problem, n_epochs + 1, lambda epoch: stopwatch.reset() if epoch == 0 else None)
    steps = n_epochs * problem.steps * problem.n_models
    return {phase: 1e6 * seconds / steps for phase, seconds in stopwatch.seconds.items()}
