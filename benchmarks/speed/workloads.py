"""The workloads: what is trained, by which systems, and how many times the time of ours each of them has to take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from plainmlp.config import compose, parse
from plainmlp.data.arrays import Column, Dataset, Description, Part
from plainmlp.data.datasets import DIGIT_NAMES
from plainmlp.schema import DatasetSection
from plainmlp.stages.fetch import fetch
from plainmlp.stages.split import split
from speed import jax_scan, matrix_products, numpy_loop, ours, pytorch, scikit_learn
from speed.problem import Problem, Runner

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT.parent / "shared" / "data" / "mnist-8k"
OURS, ALONE, LIMIT = "ours", "ours alone", "GEMM only"
PLAIN, TORCH, FUSED, SKLEARN = "plain NumPy loop", "PyTorch eager", "PyTorch fused", "scikit-learn MLP"
JAX, VMAP = "JAX jit", "JAX vmap"


@dataclass(frozen=True)
class Workload:
    """What is timed.

    Parameters
    ----------
    overrides : tuple of str
        Of the configuration.
    systems : mapping of str to callable (problem) -> runner
        Ours first.
    required : mapping of str to float
        For some of the systems, how many times the time of ours they have to take at least.
    n_models : int, default 1
        Networks in a stack; the time is then that of one of them.
    first_result : bool, default False
        Whether the time is that from the data to the end of 10 epochs, of a network whose shape is new.
    """

    overrides: tuple[str, ...]
    systems: Mapping[str, Callable[[Problem], Runner]]
    required: Mapping[str, float]
    n_models: int = 1
    first_result: bool = False

    def networks(self, system: str) -> int:
        """Return how many networks a system trains at once."""
        return 1 if system == ALONE else self.n_models

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
_TORCH = {TORCH: pytorch.eager}
_LIBRARIES = {**_TORCH, SKLEARN: scikit_learn.scikit_learn, JAX: jax_scan.jit}
_LOOP = {PLAIN: numpy_loop.numpy_loop}
_PRODUCTS = {LIMIT: matrix_products.matrix_products}
_FLOAT32 = ("training.dtype=float32", "training.shuffle=true", "optimizer.schedule=constant")
_CLUSTERS = ("experiment=clusters", "model.l2=0", "training.loss_every=null", *_FLOAT32)
_SINCOS = ("experiment=sincos", "dataset.n_samples=10530", "split.test=960", "optimizer.learning_rate=0.1", *_FLOAT32)
_DIGITS = ("experiment=mnist", "model.activation=sigmoid", "model.dropout=0", *_FLOAT32)

WORKLOADS: dict[str, Workload] = {
    "clusters 2-5-3, full batch of 13,500": Workload(
        _CLUSTERS, {**_OWN, **_LOOP, **_TORCH, JAX: jax_scan.jit, **_PRODUCTS}, {PLAIN: 6, TORCH: 8, JAX: 3}
    ),
    "clusters 2-5-3, batches of 100": Workload(
        (*_CLUSTERS, "training.batch_size=100"),
        {**_OWN, **_LOOP, **_LIBRARIES, **_PRODUCTS},
        {TORCH: 7, SKLEARN: 4},
    ),
    "sin/cos 1-16-2, batches of 32": Workload(
        (*_SINCOS, "training.batch_size=32"), {**_OWN, **_LIBRARIES, **_PRODUCTS}, {TORCH: 7, SKLEARN: 4}
    ),
    "784-128-64-10 sigmoid, batches of 64, SGD": Workload(
        (*_DIGITS, "optimizer=sgd", "optimizer.learning_rate=0.1"),
        {**_OWN, **_LOOP, **_LIBRARIES, **_PRODUCTS},
        {TORCH: 1.4, SKLEARN: 1.7, LIMIT: 1 / 1.25},
    ),
    "784-128-64-10 sigmoid, batches of 64, Adam": Workload(
        (*_DIGITS, "optimizer=adam"),
        {**_OWN, **_LIBRARIES, FUSED: pytorch.fused, **_PRODUCTS},
        {TORCH: 1.7, SKLEARN: 1.8, LIMIT: 1 / 1.6},
    ),
    "784-128-64-10 sigmoid, one sample at a time, SGD": Workload(
        (
            *(*_DIGITS, "optimizer=sgd", "optimizer.learning_rate=0.01", "training.batch_size=1"),
            *("split.train=1280", "split.validation=80"),
        ),
        {**_OWN, **_LOOP, **_TORCH, JAX: jax_scan.jit, **_PRODUCTS},
        {PLAIN: 1.5, TORCH: 3},
    ),
    "64 networks 2-5-3 as one stack, batches of 100": Workload(
        (*_CLUSTERS, "training.batch_size=100"),
        {OURS: ours.stacked, ALONE: ours.alone, VMAP: jax_scan.vmap},
        {ALONE: 8, VMAP: 2},
        n_models=64,
    ),
    "first result of a new shape, 1,000 steps of 100": Workload(
        (*_CLUSTERS, "training.batch_size=100", "split.train=10000"),
        {**_OWN, **_TORCH, JAX: jax_scan.jit},
        {TORCH: 5, JAX: 1.5},
        first_result=True,
    ),
}
