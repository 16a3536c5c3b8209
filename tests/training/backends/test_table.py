"""What a backend computes, for every activation and loss that it has, beside our own network."""

import sys

import numpy as np
import pytest

from certificate import NumpyNetwork
from configurations import refusal
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.descent import Start
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.options import fill_options
from plainmlp.nn.recipe import Recipe
from plainmlp.training.backends.table import BACKENDS, make_network, paper_epsilon

RNG = np.random.default_rng(5)
INPUTS = RNG.normal(size=(6, 3))
TARGETS = {"classification": np.eye(4)[[0, 1, 2, 3, 1, 0]], "regression": RNG.normal(size=(6, 4))}
FREE = [name for name, backend in BACKENDS.items() if backend.free_form]


def need(backend):
    pytest.importorskip(BACKENDS[backend].library, reason=f"{backend} is an optional extra")


def start_of(activations=("tanh",), loss="squared_error", optimizer="sgd", bias=True, **recipe):
    options = tuple(fill_options(LOSSES[loss].options, {}).items())
    architecture = Architecture((3, *[5] * len(activations), 4), activations, loss, options, bias)
    settings = fill_options(OPTIMIZERS[optimizer].options, {})
    parameters = np.random.default_rng(1).normal(size=architecture.n_parameters)
    return Start(architecture, Recipe(optimizer=optimizer, optimizer_options=settings, **recipe), parameters)


def check(backend, start, weights=None):
    """Make four updates on both, each with another learning rate, and compare all that they return."""
    need(backend)
    ours, theirs = NumpyNetwork(start), make_network(backend, start)
    task = "classification" if "entropy" in start.architecture.loss else "regression"
    for learning_rate in (0.1, 0.05, 0.02, 0.01):
        one, other = (network.step(INPUTS, TARGETS[task], weights, learning_rate) for network in (ours, theirs))
        assert other.loss == pytest.approx(one.loss, rel=1e-11)
        assert np.allclose(other.sums, one.sums, rtol=1e-10, atol=1e-12)
        assert np.allclose(other.gradients, one.gradients, rtol=1e-10, atol=1e-12)
    assert np.allclose(theirs.parameters(), ours.parameters(), rtol=1e-10, atol=1e-12)
    assert not np.allclose(theirs.parameters(), start.parameters)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_activation_is_ours(backend):
    for activation in BACKENDS[backend].activations:
        check(backend, start_of((activation, activation)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_loss_is_ours(backend):
    for loss in BACKENDS[backend].losses:
        check(backend, start_of(loss=loss))


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_optimizer_is_ours_whatever_the_learning_rate_does(backend):
    for optimizer in set(BACKENDS[backend].optimizers) - set(BACKENDS[backend].steady_optimizers):
        check(backend, start_of(optimizer=optimizer))


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov"])
def test_a_steady_optimizer_is_not_ours_when_the_learning_rate_changes(optimizer):
    with pytest.raises(AssertionError):
        check("sklearn", start_of(optimizer=optimizer))


@pytest.mark.parametrize("backend", FREE)
def test_layers_may_differ_and_have_no_biases_and_samples_and_weights_may_count_more(backend):
    recipe = {"l1": 0.03, "l2": 0.2, "optimizer": "adam"}
    check(backend, start_of(("relu", "sigmoid"), bias=False, **recipe), np.array([2.0, 0.5, 0.5, 1.0, 0.0, 2.0]))
    check(backend, start_of((), "cross_entropy", **recipe))


def test_scikit_learn_has_our_l2_penalty_and_needs_no_hidden_layer():
    check("sklearn", start_of((), "squared_error", l2=0.2))


@pytest.mark.parametrize("name", ["_backprop", "_forward_pass_fast"])
@pytest.mark.parametrize("change", ["gone", "another"])
def test_scikit_learn_without_a_function_that_is_called_is_refused_in_one_line(monkeypatch, name, change):
    from sklearn.neural_network import MLPRegressor

    assert make_network("sklearn", start_of())
    monkeypatch.setattr(MLPRegressor, name, None if change == "gone" else lambda self, inputs, more: None)
    assert "does not work with scikit-learn 1." in refusal(make_network, "sklearn", start_of())


def test_scikit_learn_without_the_module_of_its_optimizers_is_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.neural_network._stochastic_optimizers", None)
    assert "does not work with scikit-learn 1." in refusal(make_network, "sklearn", start_of())


def test_without_the_paper_epsilon_adam_is_another_rule(monkeypatch):
    monkeypatch.setattr("plainmlp.training.backends.sklearn.paper_epsilon", lambda recipe, step: 1e-3)
    with pytest.raises(AssertionError):
        check("sklearn", start_of(optimizer="adam"))


def test_paper_epsilon_grows_to_the_given_one():
    recipe = start_of(optimizer="adam").recipe
    assert paper_epsilon(recipe, 1) == pytest.approx(1e-8 * np.sqrt(0.001))
    assert paper_epsilon(recipe, 10**6) == pytest.approx(1e-8)
