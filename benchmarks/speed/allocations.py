"""Allocations: what a training of ours asks of memory once its buffers are made."""

import tracemalloc
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch

from plainmlp.nn.descent import Descent
from plainmlp.nn.gradient import Gradient
from speed.ours import train_stacked
from speed.problem import Problem


class Allocation(NamedTuple):
    """What the third to fifth epochs of a training allocate, in bytes beyond those that were there before.

    Parameters
    ----------
    in_a_step : int
        At most from the begin of one update to the begin of the next one, or to the end of their block.
    kept_per_epoch : int
        What an epoch leaves behind.
    peak : int
        At most at any time.
    """

    in_a_step: int
    kept_per_epoch: int
    peak: int


class Tracer:
    """Follows the memory of a training from its second epoch on."""

    def __init__(self) -> None:
        self.in_a_step = self.peak = 0
        self._before: int | None = None
        self._after_epoch: list[int] = []
        self._forward, self._descend = Gradient.forward, Descent._descend

    def _mark(self) -> None:
        """End a step, where one is open."""
        peak = tracemalloc.get_traced_memory()[1]
        self.peak = max(self.peak, peak)
        if self._before is not None:
            self.in_a_step = max(self.in_a_step, peak - self._before)
        tracemalloc.reset_peak()

    def forward(self, *arguments: Any) -> None:
        """Begin a step with its forward pass."""
        if tracemalloc.is_tracing():
            self._mark()
            self._before = tracemalloc.get_traced_memory()[0]
        self._forward(*arguments)

    def descend(self, *arguments: Any) -> Any:
        """Make the updates of a block of batches."""
        result = self._descend(*arguments)
        self._mark()
        self._before = None
        return result

    def watch(self, epoch: int) -> None:
        """Take in the end of an epoch."""
        if epoch == 1:
            tracemalloc.start()
        elif epoch > 1:
            self._mark()
            self._after_epoch.append(tracemalloc.get_traced_memory()[0])

    def allocation(self) -> Allocation:
        """Return what was found."""
        kept = (self._after_epoch[-1] - self._after_epoch[0]) // (len(self._after_epoch) - 1)
        return Allocation(self.in_a_step, kept, self.peak)


def allocation(problem: Problem) -> Allocation:
    """Return what the third to fifth epochs of a training allocate."""
    tracer = Tracer()
    with ExitStack() as stack:
        stack.callback(tracemalloc.stop)
        # lambdas, since a class hands its instances to functions but not to bound methods
        for owner, name, call in ((Gradient, "forward", tracer.forward), (Descent, "_descend", tracer.descend)):
            stack.enter_context(patch.object(owner, name, lambda *arguments, call=call: call(*arguments)))
        train_stacked(problem, 5, tracer.watch)
    return tracer.allocation()
