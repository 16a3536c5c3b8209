"""Grouping: which points train together as one stack, and how large a stack is best."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from plainmlp.baselines.backends import OWN_BACKEND
from plainmlp.construction import build_architecture
from plainmlp.data.arrays import Splits
from plainmlp.errors import InputError
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.provenance.identity import FREE_KEYS
from plainmlp.schema import Config
from plainmlp.sweeps.points import Point

# What a training step of a stack touches should stay in the cache. Measured with batches of 32 in one process:
# networks of 64-16-10 units are quickest from 32 in a stack on, 64-128-64-10 at 8 to 16, 784-128-64-10 at 1 to 4.
STACK_BYTES = 6 << 20
LARGEST_STACK = 64
# a point's seconds, only to be compared with each other: for a step, for a parameter and sample of it, for the rest
STEP_SECONDS, PRODUCT_SECONDS, OTHER_SECONDS = 8e-6, 1e-10, 0.03
# what of `training` each point of a stack has for itself
OWN = {"patience", "monitor", "minimum_improvement", *FREE_KEYS["training"]}
STACKS_FOR_A_WORKER = 2  # so that workers end at about the same time


def group(points: Sequence[Point], read: Callable[[Config], Splits], workers: int) -> list[list[Point]]:
    """Put points into stacks.

    Parameters
    ----------
    points : sequence of Point
    read : callable (config) -> Splits
        Returns the data of a configuration; called once for all points that have the same.
    workers : int
        How many stacks will train at once.

    Returns
    -------
    list of list of Point
        Every point once. The points of a stack share their data, layer sizes, biases, loss, optimiser and training,
        early stopping, digests and checkpoints excepted, and stand sorted by their activations; a point of another
        backend than ours is alone. What takes longest comes first.

    Notes
    -----
    A point whose network cannot be built for its data is alone, for the training to say why.
    """
    loads = list(_loads(points, read))
    shares = STACKS_FOR_A_WORKER * workers if workers > 1 else 1
    longest = sum(load.seconds for load in loads) / shares
    families = defaultdict(list)
    for load in loads:
        families[load.family].append(load)
    stacks = [stack for family in families.values() for stack in _cut(family, longest)]
    stacks.sort(key=lambda stack: -sum(load.seconds for load in stack))
    return [[load.point for load in stack] for stack in stacks]


def _loads(points: Sequence[Point], read: Callable[[Config], Splits]) -> "Iterator[_Load]":
    same_data = defaultdict(list)
    for point in points:
        same_data[point.config.dataset, point.config.split].append(point)
    for sharing in same_data.values():
        splits = read(sharing[0].config)
        yield from (_Load(point, splits) for point in sharing)


class _Load:
    """A point, which others it can train with, and what its training takes of memory and time."""

    def __init__(self, point: Point, splits: Splits) -> None:
        config, training = point.config, point.config.training
        self.point = point
        samples = len(splits.train)
        batch = samples if training.batch_size == "full" else min(training.batch_size, samples)
        architecture = _architecture(config, splits)
        self.family: object = point.point_id
        if architecture is not None and config.backend.name == OWN_BACKEND:
            self.family = _family(config, architecture)
        self.activations = () if architecture is None else architecture.activations
        n_parameters = 0 if architecture is None else architecture.n_parameters
        units = 0 if architecture is None else sum(architecture.layer_sizes)
        of_parameters = (3 + OPTIMIZERS[config.optimizer.name].n_slots) * n_parameters  # gradients and scratch too
        of_units = 4 * units * batch  # sums, outputs, errors and scratch
        self.step_bytes = (of_parameters + of_units) * (8 if training.dtype == "float64" else 4)
        steps = training.epochs * -(-samples // batch)
        steps = steps if training.max_steps is None else min(steps, training.max_steps)
        self.seconds = OTHER_SECONDS + steps * (STEP_SECONDS + PRODUCT_SECONDS * n_parameters * batch)


def _architecture(config: Config, splits: Splits) -> Architecture | None:
    try:
        return build_architecture(splits, config.model)
    except InputError:  # the training of this point alone says it
        return None


def _family(config: Config, architecture: Architecture) -> object:
    """Return what the points of a stack have in common."""
    training = config.training.model_dump(exclude=OWN)
    shape = (architecture.layer_sizes, architecture.bias, architecture.loss, architecture.loss_options)
    return config.dataset, config.split, tuple(training.items()), config.optimizer.name, shape


def _cut(family: Sequence[_Load], longest: float) -> Iterator[Sequence[_Load]]:
    """Yield the stacks of a family: as few as memory and time allow, and of about the same size."""
    in_order = sorted(family, key=lambda load: load.activations)
    count = max(
        -(-sum(load.step_bytes for load in family) // STACK_BYTES),
        -(-len(family) // LARGEST_STACK),
        round(sum(load.seconds for load in family) / longest),
    )
    count = min(count, len(family))
    for number in range(count):
        yield in_order[len(family) * number // count : len(family) * (number + 1) // count]
