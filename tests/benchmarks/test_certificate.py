"""The parity certificate against scikit-learn, and against bugs planted in our own gradient."""

import numpy as np
import pytest

from certificate import LARGEST_DIFFERENCE, WORKLOADS, NumpyNetwork, certify
from plainmlp.nn.architecture import view_layers
from plainmlp.nn.network import Network
from plainmlp.training.backends.table import BACKENDS, join_layers, make_network, split_layers

pytestmark = [pytest.mark.slow, pytest.mark.backends]

SMALL = "clusters 2-5-3"


def sklearn_network(start):
    return make_network("sklearn", start)


@pytest.mark.parametrize("optimizer", BACKENDS["sklearn"].optimizers)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_scikit_learn_has_our_losses_and_gradients(workload, optimizer):
    parity = certify(WORKLOADS[workload], optimizer, sklearn_network, 20 if "mnist" in workload else 100)
    assert parity.largest <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "keras"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_other_libraries_have_our_losses_and_gradients(workload, backend):
    pytest.importorskip(backend, reason=f"{backend} is an optional extra")
    for optimizer in BACKENDS[backend].optimizers:
        parity = certify(WORKLOADS[workload], optimizer, lambda start: make_network(backend, start), 20)
        assert parity.largest <= LARGEST_DIFFERENCE, optimizer


def test_our_weights_move():
    """Two networks that stand still would agree as well."""
    assert len(set(certify(WORKLOADS[SMALL], "sgd", NumpyNetwork, 5).loss)) == 1  # all zero: it is compared with itself
    losses = []

    class Watching(NumpyNetwork):
        def step(self, *arguments):
            step = super().step(*arguments)
            losses.append(step.loss)
            return step

    certify(WORKLOADS[SMALL], "adam", Watching)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def without_the_mean(self, batch, factor):
    return CORRECT(self, batch, factor * len(batch.shares))


def with_a_wrong_bias(self, batch, factor):
    passed = CORRECT(self, batch, factor)
    view_layers(passed.gradient, self.architecture).biases[0][:] /= len(batch.shares)
    return passed


CORRECT = Network.differentiate


@pytest.mark.parametrize("optimizer", BACKENDS["sklearn"].optimizers)
@pytest.mark.parametrize("bug", [without_the_mean, with_a_wrong_bias])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_planted_bug_is_caught(workload, bug, optimizer, monkeypatch):
    monkeypatch.setattr(Network, "differentiate", bug)
    parity = certify(WORKLOADS[workload], optimizer, sklearn_network, 3)
    assert parity.gradients[0] > 1e-3
    assert parity.loss[2] > LARGEST_DIFFERENCE  # the training goes another way, too


def test_a_loss_that_is_no_number_is_no_parity():
    class Lost(NumpyNetwork):
        def step(self, *arguments):
            return super().step(*arguments)._replace(loss=float("nan"))

    assert certify(WORKLOADS[SMALL], "sgd", Lost, 2).largest == float("inf")


@pytest.mark.parametrize("workload", WORKLOADS)
def test_layers_are_split_and_joined_in_our_order(workload):
    architecture = WORKLOADS[workload].architecture
    parameters = np.arange(float(architecture.n_parameters))
    assert (join_layers(*split_layers(parameters, architecture)) == parameters).all()
