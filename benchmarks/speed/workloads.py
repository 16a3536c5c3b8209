"""The workloads: what is trained, and by which systems, with one thread and with two."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from plainmlp.composition.compose import compose, parse
from plainmlp.config.schema import DatasetSection
from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.datasets import DIGIT_NAMES
from plainmlp.data.stages import fetch, split
from speed import jax_scan, numpy_loop, ours, pytorch, scikit_learn
from speed.problem import Problem, Runner

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT.parent / "shared" / "data" / "mnist-8k"
OURS, DEFINITION = "ours", "ours without Numba"
ONE_CORE, PROCESSES = "ours on one core", "ours in two processes"
PLAIN, TORCH, FUSED, SKLEARN = "plain NumPy loop", "PyTorch eager", "PyTorch fused", "scikit-learn MLP"
JAX, VMAP = "JAX jit", "JAX vmap"
Systems = Mapping[str, Callable[[Problem], Runner]]


@dataclass(frozen=True)
class Workload:
    """What is timed.

    Parameters
    ----------
    overrides : tuple of str
        Of the configuration.
    systems : mapping of str to callable (problem) -> runner
        Those with one thread; ours first.
    with_two_threads : mapping of str to callable (problem) -> runner
        Those with two threads, ours first; empty where a second one has nothing to do.
    n_models : int, default 1
        Networks that are trained; the time is then that of one of them.
    first_result : bool, default False
        Whether the time is that from the data to the end of 10 epochs, of a network whose shape is new.
    """

    overrides: tuple[str, ...]
    systems: Systems
    with_two_threads: Systems = field(default_factory=dict)
    n_models: int = 1
    first_result: bool = False

    def systems_with(self, threads: int) -> Systems:
        """Return the systems that are timed with a number of threads."""
        return self.systems if threads == 1 else self.with_two_threads

    def problem(self, *overrides: str) -> Problem:
        """Return what the systems train, with further overrides."""
        config = parse(compose(ROOT / "conf", [*self.overrides, *overrides]))
        splits = split(_dataset(config.dataset), config.split, config.dataset.missing)
        return Problem(config, replace(splits, validation=splits.validation or splits.test), self.n_models)


def _dataset(section: DatasetSection) -> Dataset:
    """Return a data set; the digits from the folder beside this checkout, or drawn where there is none."""
    if section.name != "mnist":
        return fetch(section)
    if DIGITS.is_dir():
        return fetch(section.model_copy(update={"path": str(DIGITS)}))
    generator = np.random.default_rng(0)
    shape = (8000, 784)
    pixels = generator.integers(256, size=shape, dtype=np.uint8) * (generator.random(shape) < 0.2)
    columns = tuple(Column(str(pixel)) for pixel in range(shape[1]))
    description = Description("mnist", "classification", columns, ("digit",), DIGIT_NAMES, (28, 28))
    return Dataset(Part(pixels, generator.integers(10, size=shape[0])), description)


def digits_source() -> str:
    """Return where the digits come from."""
    return "8,000 MNIST digits" if DIGITS.is_dir() else "8,000 drawn images of 28 x 28 pixels"


_OWN = {OURS: ours.alone}
_LOOP = {PLAIN: numpy_loop.numpy_loop}
_TORCH = {TORCH: pytorch.eager}
_TORCH_ADAM = {**_TORCH, FUSED: pytorch.fused}
_SKLEARN = {SKLEARN: scikit_learn.scikit_learn}
_JAX = {JAX: jax_scan.jit}
_VMAP = {VMAP: jax_scan.vmap}
_DEFINITION = {DEFINITION: ours.in_plain_numpy}
_OWN_TWO = {**_OWN, ONE_CORE: ours.on_one_core}

_FLOAT32 = ("training.dtype=float32", "training.shuffle=true", "optimizer.schedule=constant")
_CLUSTERS = ("experiment=clusters", "model.l2=0", "training.loss_every=null", *_FLOAT32)
_IN_HUNDREDS = (*_CLUSTERS, "training.batch_size=100")
_SINCOS = ("experiment=sincos", "dataset.n_samples=10530", "split.test=960", "optimizer.learning_rate=0.1", *_FLOAT32)
_SMALL_DIGITS = (
    *("experiment=digits", "model.dropout=0", "split.train=1152", "split.validation=288", "training.batch_size=32"),
    *_FLOAT32,
)
_DIGITS = ("experiment=mnist", "model.dropout=0", *_FLOAT32)
_SIGMOID = (*_DIGITS, "model.activation=sigmoid")

WORKLOADS: dict[str, Workload] = {
    "clusters 2-5-3, full batch of 13,500": Workload(
        _CLUSTERS,
        {**_OWN, **_LOOP, **_TORCH, **_JAX, **_DEFINITION},
        {**_OWN_TWO, **_LOOP, **_TORCH, **_JAX},
    ),
    "clusters 2-5-3, batches of 100": Workload(
        _IN_HUNDREDS, {**_OWN, **_LOOP, **_TORCH, **_SKLEARN, **_JAX, **_DEFINITION}
    ),
    "sin/cos 1-16-2, batches of 32": Workload(
        (*_SINCOS, "training.batch_size=32"), {**_OWN, **_TORCH, **_SKLEARN, **_JAX, **_DEFINITION}
    ),
    "digits 64-128-64-10, ReLU, batches of 32, Adam": Workload(
        _SMALL_DIGITS, {**_OWN, **_TORCH_ADAM, **_SKLEARN, **_JAX, **_DEFINITION}
    ),
    "digits 64-32-10, ReLU, batches of 32, Adam": Workload(
        (*_SMALL_DIGITS, "model.hidden_sizes=[32]"), {**_OWN, **_TORCH_ADAM, **_SKLEARN, **_JAX, **_DEFINITION}
    ),
    "784-128-64-10 sigmoid, batches of 64, SGD": Workload(
        (*_SIGMOID, "optimizer=sgd", "optimizer.learning_rate=0.1"),
        {**_OWN, **_LOOP, **_TORCH, **_SKLEARN, **_JAX, **_DEFINITION},
        {**_OWN_TWO, **_LOOP, **_TORCH, **_SKLEARN, **_JAX},
    ),
    "784-128-64-10 sigmoid, batches of 64, Adam": Workload(
        (*_SIGMOID, "optimizer=adam"),
        {**_OWN, **_TORCH_ADAM, **_SKLEARN, **_JAX, **_DEFINITION},
        {**_OWN_TWO, **_TORCH_ADAM, **_SKLEARN, **_JAX},
    ),
    "784-128-64-10 sigmoid, one sample at a time, SGD": Workload(
        (
            *(*_SIGMOID, "optimizer=sgd", "optimizer.learning_rate=0.01", "training.batch_size=1"),
            *("split.train=1280", "split.validation=80"),
        ),
        {**_OWN, **_LOOP, **_TORCH, **_JAX, **_DEFINITION},
    ),
    "64 networks 2-5-3, batches of 100, a network": Workload(
        _IN_HUNDREDS,
        {OURS: ours.one_after_another, **_VMAP},
        {
            OURS: ours.in_two_threads,
            ONE_CORE: ours.one_after_another,
            PROCESSES: ours.in_two_processes,
            **_VMAP,
        },
        n_models=64,
    ),
    "first result of a new shape, 1,000 steps of 100": Workload(
        (*_IN_HUNDREDS, "split.train=10000"), {**_OWN, **_TORCH, **_JAX}, first_result=True
    ),
    "784-2048-2048-10 ReLU, batches of 256, SGD": Workload(
        (
            *(*_DIGITS, "model.hidden_sizes=[2048,2048]", "optimizer=sgd", "optimizer.learning_rate=0.01"),
            *("training.batch_size=256", "split.train=1280", "split.validation=80"),
        ),
        {**_OWN, **_TORCH},
        {**_OWN_TWO, **_TORCH},
    ),
}
