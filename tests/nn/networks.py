"""Small networks and data that the tests train on."""

import numpy as np

from plainmlp.nn.architecture import Architecture
from plainmlp.nn.batches import Examples
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network
from plainmlp.nn.training import fit


def make_architecture(sizes, activations="tanh", loss="cross_entropy", **options):
    """Return an architecture; one activation stands for all hidden layers."""
    n_hidden = len(sizes) - 2
    names = (activations,) * n_hidden if isinstance(activations, str) else tuple(activations)
    if loss == "huber":
        options.setdefault("loss_options", (("threshold", 0.7),))
    return Architecture(tuple(sizes), names, loss, **options)


def draw_parameters(architecture, seed, dtype=np.float64):
    """Return parameters of shape (1, n_parameters) for one network."""
    generator = np.random.default_rng([77, seed])
    return generator.normal(0, 0.6, (1, architecture.n_parameters)).astype(dtype)


def make_network(*architectures, dtype=np.float64, first_seed=0):
    """Return a stack whose model i is drawn from the seed first_seed + i."""
    drawn = [draw_parameters(a, seed, dtype) for seed, a in enumerate(architectures, start=first_seed)]
    return Network(architectures, np.concatenate(drawn))


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


def train(network, recipes, examples, validation=None, *, epochs=1, batch_size=10**9, **options):
    """Train to the end and return the epochs; by default it is one step with all samples."""
    return list(fit(network, recipes, examples, validation, epochs=epochs, batch_size=batch_size, **options))


def copy_of(network):
    """Return a stack of its own with the same models."""
    return network.take(range(network.n_models))


def metric(epochs, name, model=0):
    """Return a model's metric in each epoch."""
    return [float(epoch.metrics[name][epoch.models.index(model)]) for epoch in epochs]
