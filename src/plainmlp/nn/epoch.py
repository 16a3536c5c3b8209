"""An epoch of training: what was measured in it, and what goes on from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from plainmlp.nn.snapshot import Snapshot

Array = NDArray[Any]


@dataclass(frozen=True)
class Divergence:
    """A model whose loss was not finite any more: where in the training that was."""

    model: int
    epoch: int
    step: int
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Epoch:
    """What an epoch of training came to.

    Parameters
    ----------
    number : int
        Counted from 0.
    models : tuple of int
        The models of the stack that trained in it; one that has stopped early or diverged is not among them.
    metrics : dict of str to ndarray of shape (len(models),), float64
        `train_loss` (the mean over the batches of the loss that the forward pass saw before each update, penalties
        included), `validation_loss` (without penalties), `train_` and `validation_` with the loss's metric,
        `gradient_norm` (of the last update, penalties included, before clipping), `dead_units` (share of the units
        that can die and are zero for each of the first samples) and `learning_rate`.
    diverged : tuple of Divergence
        The models whose loss was not finite in this epoch; their metrics mean nothing.
    remaining : tuple of int
        The models that train on after it.
    snapshot : callable (model) -> Snapshot
        Returns what a model of `models` goes on from. Nothing is copied: its arrays are the training's own, and hold
        until the next epoch begins.
    steps : callable (model) -> dict of str to ndarray of shape (n_batches,)
        Returns what each update of a model of `models` began from, as `plainmlp.nn.scoring.step_metrics` has it.
    """

    number: int
    models: tuple[int, ...]
    metrics: dict[str, Array]
    diverged: tuple[Divergence, ...]
    remaining: tuple[int, ...]
    snapshot: Callable[[int], Snapshot]
    steps: Callable[[int], dict[str, Array]]
