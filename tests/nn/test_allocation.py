"""A step writes into buffers that were made before: training allocates no array of the size of a layer."""

import tracemalloc

import numpy as np
import pytest

from nn.networks import make_architecture, make_examples, make_network
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import fit

N_UNITS, N_BATCH = 256, 512
LAYER_BYTES = N_UNITS * N_BATCH * 8


def peak_of_an_epoch(recipe, activation="relu", loss="cross_entropy", **options):
    """Return how many bytes the third epoch of a training allocates at most beyond those that it found."""
    network = make_network(make_architecture((8, N_UNITS, N_UNITS, 2), activation, loss))
    examples = make_examples(loss, 2 * N_BATCH, 8, 2)
    epochs = fit(network, [recipe], examples, examples, epochs=3, batch_size=N_BATCH, **options)
    next(epochs)
    next(epochs)
    tracemalloc.start()
    try:
        next(epochs)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_measurement_sees_arrays():
    tracemalloc.start()
    try:
        kept = np.empty(LAYER_BYTES, np.uint8)
        assert tracemalloc.get_traced_memory()[1] >= kept.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    assert peak_of_an_epoch(Recipe(), activation) < 0.2 * LAYER_BYTES


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer):
    assert peak_of_an_epoch(Recipe(optimizer=optimizer)) < 0.2 * LAYER_BYTES


@pytest.mark.parametrize("shuffle", [True, False])
def test_penalties_dropout_and_clipping(shuffle):
    recipe = Recipe(l1=0.01, l2=0.01, dropout=0.2, clip_norm=0.1)
    assert peak_of_an_epoch(recipe, loss="huber", shuffle=shuffle) < 0.2 * LAYER_BYTES
