"""A problem: what every system is given to train, and what it hands back."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plainmlp.config.schema import Choice, Config, ModelSection
from plainmlp.data.arrays import Part
from plainmlp.data.splits import Splits
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.batches import Examples
from plainmlp.training.backends.table import split_layers
from plainmlp.training.construction import build_architecture, build_examples, draw_parameters

Array = NDArray[Any]


class Epoch(NamedTuple):
    """What is known after an epoch: the mean loss of its batches, and the loss and accuracy on the validation part.

    An accuracy or a validation loss that a system does not report, or that the task does not have, is NaN.
    """

    train_loss: float
    validation_loss: float
    validation_accuracy: float = float("nan")


class Run(NamedTuple):
    """A training: the seconds that all epochs but the first took, set-up excluded, and what each epoch came to."""

    seconds: float
    epochs: Sequence[Epoch]


Runner = Callable[[int], Run]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, its data and how it is trained.

    Parameters
    ----------
    config : Config
        Its optimiser is sgd or adam, and its activation one for all layers.
    splits : Splits
        With a validation part.
    n_models : int, default 1
        Networks that are trained, alike but for the spread of their initial weights.
    """

    config: Config
    splits: Splits
    n_models: int = 1

    @cached_property
    def architecture(self) -> Architecture:
        """Return what one network is made of."""
        return build_architecture(self.splits, self.config.model)

    @cached_property
    def train(self) -> Examples:
        """Return the inputs (n_samples, n_in) and targets to learn from."""
        return self._examples(self.splits.train)

    @cached_property
    def validation(self) -> Examples:
        """Return the inputs and targets to validate on after each epoch."""
        assert self.splits.validation is not None  # noqa: S101  every problem has such a part
        return self._examples(self.splits.validation)

    def prepare(self) -> None:
        """Make the arrays that other systems are given; ours prepares its own as a part of its training."""
        _ = self.train, self.validation

    def _examples(self, part: Part) -> Examples:
        return build_examples(part, self.splits.preparation, self.architecture, self.config.training.dtype)

    def shortened(self, n_steps: int) -> "Problem":
        """Return the same with at most so many updates in an epoch, and as much less to validate on."""
        if self.steps <= n_steps:
            return self
        train, validation = self.splits.train, self.splits.validation
        assert validation is not None  # noqa: S101  every problem has such a part
        n_train = n_steps * self.batch_size
        n_validation = max(1, round(len(validation) * n_train / len(train)))
        first = [part.take(np.arange(size)) for part, size in ((train, n_train), (validation, n_validation))]
        return replace(self, splits=replace(self.splits, train=first[0], validation=first[1]))

    @property
    def is_classification(self) -> bool:
        """Return whether the targets are classes."""
        return self.train.targets.ndim == 1

    @property
    def batch_size(self) -> int:
        """Return the samples in a batch; it divides their number."""
        size = self.config.training.batch_size
        return len(self.train.inputs) if size == "full" else size

    @property
    def steps(self) -> int:
        """Return the updates in an epoch."""
        return len(self.train.inputs) // self.batch_size

    @property
    def shuffles(self) -> bool:
        """Return whether each epoch has its own order of the samples."""
        return self.config.training.shuffle and self.steps > 1

    @property
    def slices(self) -> list[slice]:
        """Return the rows of each batch where the samples keep their order."""
        size = self.batch_size
        return [slice(start, start + size) for start in range(0, len(self.train.inputs), size)]

    @property
    def learning_rate(self) -> float:
        """Return the optimiser's constant learning rate."""
        return self.config.optimizer.learning_rate

    def model_section(self, model: int = 0) -> ModelSection:
        """Return what a network is; several differ in the spread of their initial weights, as in a grid."""
        section = self.config.model
        if self.n_models == 1:
            return section
        initializer = Choice.model_validate(
            {"name": "normal", "mean": 0.0, "standard_deviation": (model + 1) / self.n_models}
        )
        return section.model_copy(update={"initializer": initializer})

    def layers(self, model: int = 0) -> tuple[list[Array], list[Array]]:
        """Return a network's initial weights, each (n_out, n_in), and biases, each (n_out,), as ours draws them."""
        config, section = self.config, self.model_section(model)
        drawn = draw_parameters(self.architecture, section, config.seed, config.training.dtype)
        return split_layers(drawn, self.architecture)

    def targets_by_unit(self, targets: Array) -> Array:
        """Return targets with a column for each output: classes as rows of an identity matrix."""
        return np.eye(self.architecture.layer_sizes[-1], dtype=np.float32)[targets] if targets.ndim == 1 else targets


def run_epochs(epochs: Iterator[Epoch], n_epochs: int) -> Run:
    """Return the first epochs of an endless training, timed from the end of the first of them.

    Parameters
    ----------
    epochs : iterator of Epoch
    n_epochs : int
        At least 2.
    """
    records, stamps = [], []
    for record in islice(epochs, n_epochs):
        stamps.append(time.perf_counter())
        records.append(record)
    return Run(stamps[-1] - stamps[0], records)
