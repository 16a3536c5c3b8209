"""Small networks and data that the tests train on."""

from copy import deepcopy
from typing import NamedTuple

import numpy as np

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.batches import Batches, Block, Examples
from plainmlp.nn.compiled.descent import CompiledDescent
from plainmlp.nn.descent import PlainDescent, Start
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.snapshot import Snapshot
from plainmlp.nn.training import Training

DTYPES = [np.float32, np.float64]
SGD = Recipe(optimizer="sgd", learning_rate=1.0)


def make_architecture(sizes, activations="tanh", loss="cross_entropy", **options):
    """Return an architecture; one activation stands for all hidden layers."""
    n_hidden = len(sizes) - 2
    names = (activations,) * n_hidden if isinstance(activations, str) else tuple(activations)
    if loss == "huber":
        options.setdefault("loss_options", (("threshold", 0.7),))
    return Architecture(tuple(sizes), names, loss, **options)


def draw_parameters(architecture, seed=0, dtype=np.float64):
    """Return random parameters."""
    generator = np.random.default_rng([77, seed])
    return generator.normal(0, 0.6, architecture.n_parameters).astype(dtype)


def make_descent(architecture, recipe, parameters, slots=None, *, compiled=False, target_scale=None, threads=1):
    """Return a network of a form; its arrays are its own."""
    if slots is None:
        slots = tuple(np.zeros_like(parameters) for _ in range(OPTIMIZERS[recipe.optimizer].n_slots))
    form = CompiledDescent if compiled else PlainDescent
    return form(Start(architecture, recipe, parameters, slots, target_scale, threads))


def make_examples(loss, n_samples, n_in, n_out, *, dtype=np.float64, seed=0, weighted=False):
    """Return random examples of the kind that a loss learns from."""
    generator = np.random.default_rng([5, seed])
    inputs = generator.normal(size=(n_samples, n_in)).astype(dtype)
    if loss == "cross_entropy":
        targets = generator.integers(0, n_out, n_samples)
    elif LOSSES[loss].metric == "accuracy":
        targets = generator.integers(0, 2, (n_samples, n_out)).astype(dtype)
    else:
        targets = generator.normal(size=(n_samples, n_out)).astype(dtype)
    weights = generator.uniform(0.2, 2, n_samples) if weighted else None
    return Examples(inputs, targets, weights)


def whole_block(architecture, examples):
    """Return all examples as one batch in a block."""
    (block,) = Batches(examples, architecture.layer_sizes[-1], len(examples.inputs), 1).blocks(1)
    return block


def find_alive(architecture, descent, inputs, watched=None):
    """Return for each hidden unit, and after them each output, whether it is above zero for any of some inputs."""
    inputs = np.ascontiguousarray(inputs, descent.parameters.dtype)
    nothing, rows = np.empty(0, inputs.dtype), np.arange(len(inputs))
    block = Block(inputs, np.zeros(len(inputs), np.int64), nothing, rows, len(inputs))
    every = np.ones(sum(architecture.layer_sizes[1:]), bool)
    return descent.alive(block, every if watched is None else watched)


def make_steps(descent, block, coefficients, draws=None, *, measures_norm=False):
    """Make updates whose coefficients are given in float64."""
    dtype = descent.parameters.dtype
    draws = np.empty(0, dtype) if draws is None else draws
    return descent.descend(block, np.array(coefficients, dtype), draws, learning_rate=0.1, measures_norm=measures_norm)


def gradient_of(architecture, examples, parameters, recipe=SGD, draws=None, *, compiled=False):
    """Return the cost of all examples, and its gradient: what a step of plain descent at rate 1 takes away."""
    descent = make_descent(architecture, recipe, parameters, compiled=compiled)
    steps = make_steps(descent, whole_block(architecture, examples), [[1.0]], draws)
    return float(steps.losses[0]), parameters - descent.parameters


class Trained(NamedTuple):
    """What a training came to: its epochs, with snapshots that stay as they were, and the network."""

    epochs: list
    snapshots: list
    descent: object

    @property
    def parameters(self):
        return self.descent.parameters

    def metric(self, name):
        """Return a metric in each epoch."""
        return [epoch.metrics[name] for epoch in self.epochs]

    @property
    def digests(self):
        return [snapshot.digest() for snapshot in self.snapshots]


def begin(architecture, recipe, examples, validation=None, *, parameters=None, snapshot=None, **options):
    """Return a training and its descent; by default it is one step with all samples."""
    form = {name: options.pop(name) for name in ("compiled", "target_scale", "threads") if name in options}
    if snapshot is None:
        parameters = draw_parameters(architecture, 0, examples.inputs.dtype) if parameters is None else parameters
        snapshot = Snapshot.initial(parameters, recipe)
    descent = make_descent(architecture, recipe, snapshot.parameters, snapshot.slots, **form)
    options = {"epochs": 1, "max_steps": None, "batch_size": 10**9, "shuffle": True, **options}
    return Training(descent, architecture, recipe, examples, validation, snapshot, **options), descent


def train(architecture, recipe, examples, validation=None, **options):
    """Train to the end; see `begin`."""
    training, descent = begin(architecture, recipe, examples, validation, **options)
    epochs, snapshots = [], []
    for epoch in training.run():
        epochs.append(epoch)
        snapshots.append(deepcopy(epoch.snapshot))
    return Trained(epochs, snapshots, descent)
