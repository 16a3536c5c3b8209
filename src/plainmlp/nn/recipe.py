"""A recipe: how a network is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    seed : int, default 0
        At least 0; the order of the samples and the dropout masks come from it.
    optimizer : str, default "adam"
        A name in OPTIMIZERS.
    learning_rate : float, default 0.001
        Above 0.
    optimizer_options : mapping of str to float
        Options of that optimiser; those left out have their defaults.
    schedule, schedule_options
        A name in SCHEDULES and its options.
    l1, l2 : float, default 0
        The cost has l1 * sum |w| + l2 / 2 * sum w^2 added to it, over the weights and not the biases.
    dropout : float, default 0
        Share of the hidden units that a step leaves out, in [0, 1); the rest are scaled by 1 / (1 - dropout)
        (Srivastava et al., 2014).
    clip_norm : float, default infinity
        A gradient of a larger Euclidean norm is shortened to this one (Pascanu et al., 2013).
    patience : int, optional
        Stop after so many epochs without a better value of `monitor`, and keep the best parameters.
    monitor : str, default "validation_loss"
        A metric of Epoch; an accuracy is better when larger, anything else when smaller.
    minimum_improvement : float, default 0
        By how much a value must be better to count.
    """

    seed: int = 0
    optimizer: str = "adam"
    learning_rate: float = 0.001
    optimizer_options: Mapping[str, float] = field(default_factory=dict)
    schedule: str = "constant"
    schedule_options: Mapping[str, float] = field(default_factory=dict)
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    clip_norm: float = float("inf")
    patience: int | None = None
    monitor: str = "validation_loss"
    minimum_improvement: float = 0.0
