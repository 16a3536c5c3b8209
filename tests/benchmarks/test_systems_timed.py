"""The systems that are timed do the same work as ours: from the same weights they come to the same losses."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from speed.matrix_products import products
from speed.workloads import ALONE, FUSED, JAX, OURS, PLAIN, SKLEARN, TORCH, VMAP, WORKLOADS

EPOCHS = 6
FULL = "clusters 2-5-3, full batch of 13,500"
BATCHES = "clusters 2-5-3, batches of 100"
SINCOS = "sin/cos 1-16-2, batches of 32"
ADAM = "784-128-64-10 sigmoid, batches of 64, Adam"
SINGLE = "784-128-64-10 sigmoid, one sample at a time, SGD"
STACK = "64 networks 2-5-3 as one stack, batches of 100"
NEEDS = {TORCH: "torch", FUSED: "torch", JAX: "jax", VMAP: "jax"}
FEW = ("split.train=400", "split.test=100")
FEW_DIGITS = ("split.train=256", "split.validation=64")


def few(name):
    return FEW_DIGITS if name.startswith("784") else FEW


def epochs_of(name, system, *overrides):
    if system in NEEDS:
        pytest.importorskip(NEEDS[system], reason=f"{NEEDS[system]} is timed only where it is installed")
    workload = WORKLOADS[name]
    problem = replace(workload.problem(*few(name), *overrides), n_models=min(workload.n_models, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other libraries among themselves
        run = workload.systems[system](problem)(EPOCHS)
    assert len(run.epochs) == EPOCHS
    return np.array(run.epochs).T


@pytest.mark.parametrize("system", [PLAIN, TORCH, JAX])
def test_the_full_batch_has_our_losses_and_accuracies(system):
    faster = "optimizer.learning_rate=0.3"
    ours = epochs_of(FULL, OURS, faster)
    assert ours[0][-1] < 0.8 * ours[0][0]
    np.testing.assert_allclose(epochs_of(FULL, system, faster), ours, rtol=2e-4)


@pytest.mark.parametrize(
    ("name", "system"), [(SINCOS, TORCH), (SINCOS, JAX), (ADAM, TORCH), (ADAM, FUSED), (ADAM, JAX)]
)
def test_one_batch_of_all_samples_has_our_losses(name, system):
    whole = ("training.batch_size=full", "optimizer.learning_rate=0.01")
    ours, theirs = epochs_of(name, OURS, *whole), epochs_of(name, system, *whole)
    np.testing.assert_allclose(theirs[:2], ours[:2], rtol=1e-3)


@pytest.mark.parametrize("system", [PLAIN, TORCH, JAX])
def test_batches_have_our_losses_in_the_order_of_the_data_and_others_in_another(system):
    given = ("optimizer.learning_rate=0.1", "training.batch_size=40")
    ordered = epochs_of(BATCHES, system, *given, "training.shuffle=false")
    np.testing.assert_allclose(ordered, epochs_of(BATCHES, OURS, *given, "training.shuffle=false"), rtol=2e-4)
    shuffled = epochs_of(BATCHES, system, *given)
    assert not np.isclose(shuffled[0], ordered[0], rtol=1e-3).any()


@pytest.mark.parametrize("name", [BATCHES, SINCOS])
def test_scikit_learn_learns_for_as_many_epochs(name):
    losses, _, accuracies = epochs_of(name, SKLEARN)
    assert losses[-1] < losses[0]
    assert np.isnan(accuracies).all() == (name == SINCOS)


@pytest.mark.parametrize("system", [OURS, VMAP])
def test_the_last_network_of_a_stack_is_a_network_alone(system):
    whole = "training.batch_size=full"
    np.testing.assert_allclose(epochs_of(STACK, system, whole), epochs_of(STACK, ALONE, whole), rtol=1e-4)


@pytest.mark.parametrize("name", [FULL, BATCHES, SINCOS, ADAM, SINGLE])
def test_products_are_those_of_a_step(name, monkeypatch):
    """Each layer has a forward product and a weights' gradient, and each but the first sends its error back."""
    multiplications = []
    matmul, multiply, dot = np.matmul, np.multiply, np.dot

    def counted_matmul(left, right, out):
        multiplications.append(out.size * left.shape[-1])
        return matmul(left, right, out=out)

    def counted_multiply(left, right, out):
        multiplications.append(out.size)
        return multiply(left, right, out=out)

    def counted_dot(left, right, out):
        multiplications.append(out.size)
        return dot(left, right, out=out)

    problem = WORKLOADS[name].problem(*few(name))
    monkeypatch.setattr(np, "matmul", counted_matmul)
    monkeypatch.setattr(np, "multiply", counted_multiply)
    monkeypatch.setattr(np, "dot", counted_dot)
    for call in products(problem):
        call()
    first, *others = (n_out * n_in * problem.batch_size for n_out, n_in in problem.architecture.shapes)
    assert sorted(multiplications) == sorted([first] * 2 + others * 3)
