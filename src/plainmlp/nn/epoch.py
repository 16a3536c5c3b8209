"""An epoch of training: what was measured in it, and what goes on from it."""

from collections.abc import Callable
from dataclasses import dataclass

from plainmlp.nn.arithmetic import Array
from plainmlp.nn.snapshot import Snapshot


@dataclass(frozen=True)
class Divergence:
    """Where in a training the loss was not finite any more."""

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
    metrics : dict of str to float
        `train_loss` (the mean over the batches of the loss that the forward pass saw before each update, penalties
        included), `validation_loss` (without penalties), `train_` and `validation_` with the loss's metric,
        `gradient_norm` (of the last update, penalties included, before clipping), `dead_units` (share of the units
        that can die and are zero for each of the first 256 samples) and `learning_rate`.
    diverged : Divergence, optional
        Where a loss or, at the end, a parameter was not finite; the metrics then mean nothing.
    is_last : bool
        Whether the training ends with it.
    snapshot : Snapshot
        What the training goes on from. Its arrays are the training's own, and hold until the next epoch begins.
    steps : callable () -> dict of str to ndarray of shape (n_batches,)
        Returns what each update began from: `step`, counted from 0; `loss`, the mean cost of the batch before the
        update, penalties included; and `accuracy` or, where numbers are estimated, `sum_of_squares` of the
        differences, over the batch and the outputs.
    """

    number: int
    metrics: dict[str, float]
    diverged: Divergence | None
    is_last: bool
    snapshot: Snapshot
    steps: Callable[[], dict[str, Array]]
