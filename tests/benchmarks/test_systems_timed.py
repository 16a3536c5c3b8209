"""The systems that are timed do the same work as ours: from the same weights they come to the same losses."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from speed import ours as own
from speed.measuring import steps
from speed.workloads import DEFINITION, FUSED, JAX, ONE_CORE, OURS, PLAIN, PROCESSES, SKLEARN, TORCH, VMAP, WORKLOADS

pytestmark = [pytest.mark.slow, pytest.mark.backends]

EPOCHS = 6
FULL = "clusters 2-5-3, full batch of 13,500"
BATCHES = "clusters 2-5-3, batches of 100"
SINCOS = "sin/cos 1-16-2, batches of 32"
SMALL = "digits 64-128-64-10, ReLU, batches of 32, Adam"
SMALLEST = "digits 64-32-10, ReLU, batches of 32, Adam"
SGD = "784-128-64-10 sigmoid, batches of 64, SGD"
ADAM = "784-128-64-10 sigmoid, batches of 64, Adam"
SINGLE = "784-128-64-10 sigmoid, one sample at a time, SGD"
MANY = "64 networks 2-5-3, batches of 100, a network"
LARGE = "784-2048-2048-10 ReLU, batches of 256, SGD"
NEEDS = {TORCH: "torch", FUSED: "torch", JAX: "jax", VMAP: "jax"}
FEW = ("split.train=400", "split.test=100")
FEW_DIGITS = ("split.train=256", "split.validation=64")


def few(name):
    return FEW_DIGITS if name.startswith(("784", "digits")) else FEW


def epochs_of(name, system, *overrides, threads=1):
    if system in NEEDS:
        pytest.importorskip(NEEDS[system], reason=f"{NEEDS[system]} is timed only where it is installed")
    workload = WORKLOADS[name]
    problem = replace(workload.problem(*few(name), *overrides), n_models=min(workload.n_models, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of other libraries among themselves
        run = workload.systems_with(threads)[system](problem)(EPOCHS)
    assert len(run.epochs) == EPOCHS
    return np.array(run.epochs).T


@pytest.mark.parametrize("system", [PLAIN, TORCH, JAX])
def test_the_full_batch_has_our_losses_and_accuracies(system):
    faster = "optimizer.learning_rate=0.3"
    ours = epochs_of(FULL, OURS, faster)
    assert ours[0][-1] < 0.8 * ours[0][0]
    np.testing.assert_allclose(epochs_of(FULL, system, faster), ours, rtol=2e-4)


@pytest.mark.parametrize(
    ("name", "system"),
    [
        *((SINCOS, system) for system in (TORCH, JAX)),
        *((name, system) for name in (SMALL, SMALLEST, ADAM) for system in (TORCH, FUSED, JAX)),
        *((SGD, system) for system in (PLAIN, TORCH, JAX)),
    ],
)
def test_one_batch_of_all_samples_has_our_losses(name, system):
    whole = ("training.batch_size=full", "optimizer.learning_rate=0.01")
    ours, theirs = epochs_of(name, OURS, *whole), epochs_of(name, system, *whole)
    np.testing.assert_allclose(theirs[:2], ours[:2], rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "system", "size"),
    [
        *((BATCHES, system, 40) for system in (PLAIN, TORCH, JAX)),
        *((name, system, 32) for name in (SMALL,) for system in (TORCH, FUSED, JAX)),
        *((SGD, system, 32) for system in (PLAIN, TORCH, JAX)),
        *((ADAM, system, 32) for system in (TORCH, FUSED, JAX)),
        *((SINGLE, system, 1) for system in (PLAIN, TORCH, JAX)),
        (LARGE, TORCH, 64),
    ],
)
def test_batches_have_our_losses_in_the_order_of_the_data_and_others_in_another(name, system, size):
    given = (f"training.batch_size={size}", *(["optimizer.learning_rate=0.1"] if name == BATCHES else []))
    ordered = epochs_of(name, system, *given, "training.shuffle=false")
    ours = epochs_of(name, OURS, *given, "training.shuffle=false")
    np.testing.assert_allclose(ordered[:2], ours[:2], rtol=1e-3)
    np.testing.assert_allclose(ordered[2], ours[2], atol=0.02)
    shuffled = epochs_of(name, system, *given)
    assert not np.allclose(shuffled[0], ordered[0], rtol=1e-5)


@pytest.mark.parametrize("name", [BATCHES, SINCOS, SMALL, SGD])
def test_scikit_learn_learns_for_as_many_epochs(name):
    losses, _, accuracies = epochs_of(name, SKLEARN)
    assert losses[-1] < losses[0]
    assert np.isnan(accuracies).all() == (name == SINCOS)


@pytest.mark.parametrize("name", [BATCHES, SINCOS, SMALL, ADAM])
def test_the_plain_form_has_our_losses(name):
    np.testing.assert_allclose(epochs_of(name, DEFINITION), epochs_of(name, OURS), rtol=1e-6)


@pytest.mark.parametrize("name", [FULL, ADAM])
def test_one_core_has_our_losses(name):
    one, two = (epochs_of(name, system, "training.threads=2", threads=2) for system in (ONE_CORE, OURS))
    np.testing.assert_allclose(one, two, rtol=1e-4)


@pytest.mark.parametrize(("system", "threads"), [(OURS, 1), (VMAP, 1), (OURS, 2), (ONE_CORE, 2), (PROCESSES, 2)])
def test_the_last_of_many_networks_is_a_network_alone(system, threads):
    whole = "training.batch_size=full"
    problem = replace(WORKLOADS[MANY].problem(*few(MANY), whole), n_models=3)
    last = problem.config.model_copy(update={"model": problem.model_section(2)})
    alone = np.array(own.alone(replace(problem, config=last, n_models=1))(EPOCHS).epochs).T
    np.testing.assert_allclose(epochs_of(MANY, system, whole, threads=threads), alone, rtol=1e-4)


@pytest.mark.parametrize(("system", "settings"), [(DEFINITION, {"compiled": False}), (ONE_CORE, {"threads": 1})])
def test_what_is_asked_of_ours_reaches_the_training(system, settings, monkeypatch):
    correct, given = own.train, []

    def seen(splits, seed, model, optimizer, training, **options):
        given.append(training)
        return correct(splits, seed, model, optimizer, training, **options)

    monkeypatch.setattr(own, "train", seen)
    epochs_of(FULL, system, "training.threads=2", threads=1 if system == DEFINITION else 2)
    (training,) = given
    assert settings.items() <= training.model_dump().items()


def test_an_epoch_is_shortened_in_all_its_parts():
    problem = WORKLOADS[BATCHES].problem("split.train=1000", "split.test=200")
    short = problem.shortened(3)
    assert (problem.steps, short.steps) == (10, 3)
    assert (len(problem.validation.inputs), len(short.validation.inputs)) == (200, 60)
    np.testing.assert_array_equal(short.train.inputs, problem.train.inputs[:300])
    assert problem.shortened(10) is problem
    assert WORKLOADS[FULL].problem(*FEW).shortened(1).steps == 1


def test_times_are_those_of_a_step_of_one_network(monkeypatch):
    """A system that says how long it took per epoch has that time, divided by steps and networks."""
    monkeypatch.setattr("speed.measuring.FEW_STEPS", 2)
    timed = lambda problem: lambda n_epochs: own.Run(12.0 * (n_epochs - 1), [])  # noqa: E731
    workload = replace(WORKLOADS[BATCHES], systems={OURS: timed, DEFINITION: timed}, n_models=2)
    found = steps(workload, 1, FEW, 3)
    assert found == {OURS: [12 / (4 * 2)] * 3, DEFINITION: [12 / (2 * 2)] * 3}
