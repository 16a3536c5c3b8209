from copy import deepcopy
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from nn.networks import copy_of, make_architecture, make_examples, make_network, metric, train
from plainmlp.nn.batches import Examples
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network
from plainmlp.nn.orders import draw_orders
from plainmlp.nn.randomness import generator
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import fit

SGD = Recipe(optimizer="sgd", learning_rate=1.0)


def test_metrics_that_are_recorded():
    for loss, examples in ((name, make_examples(name, 6, 2, 3)) for name in LOSSES):
        network = make_network(make_architecture((2, 4, 3), loss=loss))
        (epoch,) = train(network, [Recipe()], examples, examples)
        name = LOSSES[loss].metric
        parts = {f"{part}_{kind}" for part in ("train", "validation") for kind in ("loss", name)}
        assert set(epoch.metrics) == parts | {"gradient_norm", "dead_units", "learning_rate"}
        assert all(values.shape == (1,) and values.dtype == np.float64 for values in epoch.metrics.values())


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_class_indices_of_any_dtype_are_as_good_as_one_hot_values(dtype):
    examples = make_examples("cross_entropy", 9, 2, 3)
    bits = set()
    for targets in (examples.targets, examples.targets.astype(dtype), np.eye(3)[examples.targets]):
        network = make_network(make_architecture((2, 4, 3)))
        part = examples._replace(targets=targets)
        epochs = train(network, [Recipe()], part, part, epochs=2, batch_size=4)
        bits.add((network.parameters.tobytes(), *metric(epochs, "validation_accuracy")))
    assert len(bits) == 1


@pytest.mark.parametrize("shuffle", [True, False])
def test_inputs_may_be_a_memory_map(tmp_path, shuffle):
    examples = make_examples("squared_error", 23, 3, 2, dtype=np.float32)
    np.save(tmp_path / "inputs.npy", examples.inputs)
    mapped = examples._replace(inputs=np.load(tmp_path / "inputs.npy", mmap_mode="r"))
    assert isinstance(mapped.inputs, np.memmap)
    bits = []
    for part in (examples, mapped):
        network = make_network(make_architecture((3, 5, 2), loss="squared_error"), dtype=np.float32)
        train(network, [Recipe()], part, part, epochs=2, batch_size=4, shuffle=shuffle)
        bits.append((network.parameters.tobytes(), network.outputs(part.inputs).tobytes()))
    assert bits[0] == bits[1]


def test_a_full_batch_keeps_the_order():
    examples = make_examples("cross_entropy", 9, 2, 3)
    for batch_size, same in ((9, True), (1000, True), (8, False)):
        networks = [make_network(make_architecture((2, 4, 3))) for _ in range(2)]
        for network, shuffle in zip(networks, (True, False), strict=True):
            train(network, [SGD], examples, epochs=2, batch_size=batch_size, shuffle=shuffle)
        assert (networks[0].parameters.tobytes() == networks[1].parameters.tobytes()) == same


def test_validation_does_not_influence_training():
    examples, validation = make_examples("cross_entropy", 9, 2, 3), make_examples("cross_entropy", 5, 2, 3, seed=1)
    networks = [make_network(make_architecture((2, 4, 3))) for _ in range(2)]
    for network, part in zip(networks, (None, validation), strict=True):
        train(network, [Recipe(dropout=0.3)], examples, part, epochs=3, batch_size=4)
    assert networks[0].parameters.tobytes() == networks[1].parameters.tobytes()


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
def test_overfits_eight_points(activation):
    examples = make_examples("cross_entropy", 8, 2, 3)
    network = make_network(make_architecture((2, 32, 16, 3), activation))
    epochs = train(network, [Recipe(learning_rate=0.03)], examples, epochs=500)
    assert metric(epochs, "train_accuracy")[-1] == 1
    assert metric(epochs, "train_loss")[-1] < 0.01


def test_without_hidden_layers_it_is_softmax_regression():
    """At the optimum of mean cross-entropy + l2 / 2 sum w^2, l2 w = mean of (t - p) x and the mean of t - p is 0."""
    examples = make_examples("cross_entropy", 60, 2, 3)
    network = make_network(make_architecture((2, 3)))
    train(network, [replace(SGD, learning_rate=0.5, l2=0.1)], examples, epochs=1000)
    weights, biases = network.layers.weights[0][0], network.layers.biases[0][0, :, 0]
    sums = np.exp(examples.inputs @ weights.T + biases)
    error = np.eye(3)[examples.targets] - sums / sums.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(0.1 * weights, error.T @ examples.inputs / 60, atol=1e-12)
    np.testing.assert_allclose(error.mean(axis=0), np.zeros(3), atol=1e-12)


def test_schedules_act_on_each_model_of_a_stack():
    network = make_network(*[make_architecture((2, 3))] * 2)
    recipes = [
        replace(SGD, schedule="exponential", schedule_options={"factor": 0.5}),
        replace(SGD, schedule="linear_warmup", schedule_options={"warmup_epochs": 2}, learning_rate=0.1),
    ]
    epochs = train(network, recipes, make_examples("cross_entropy", 9, 2, 3), epochs=3)
    np.testing.assert_allclose([e.metrics["learning_rate"] for e in epochs], [[1, 0.05], [0.5, 0.1], [0.25, 0.1]])


def test_the_scheduled_rate_is_the_one_that_is_used():
    examples = make_examples("cross_entropy", 9, 2, 3)
    recipe = replace(SGD, schedule="exponential", schedule_options={"factor": 0.5})
    network, expected = (make_network(make_architecture((2, 3))) for _ in range(2))
    train(network, [recipe], examples, epochs=2)
    for rate in (1.0, 0.5):
        train(expected, [replace(SGD, learning_rate=rate)], examples)
    np.testing.assert_allclose(network.parameters, expected.parameters, rtol=1e-14)


@pytest.mark.parametrize("with_validation", [True, False])
def test_reduce_on_plateau_watches_validation_or_else_training(with_validation):
    """The validation targets are the opposite of the training targets: one loss rises while the other falls."""
    inputs = np.ones((4, 1))
    examples, validation = Examples(inputs, np.zeros(4, int)), Examples(inputs, np.ones(4, int))
    recipe = replace(SGD, learning_rate=0.1, schedule="reduce_on_plateau", schedule_options={"plateau_epochs": 2})
    network = make_network(make_architecture((1, 2)))
    epochs = train(network, [recipe], examples, validation if with_validation else None, epochs=5)
    expected = [0.1, 0.1, 0.1, 0.05, 0.05] if with_validation else [0.1] * 5
    np.testing.assert_allclose(metric(epochs, "learning_rate"), expected)


def shrinking_line(learning_rate, n_samples=1):
    """Return a network y = w x with w = 1, and samples x = 1, y = 0: each step multiplies w by 1 - learning_rate."""
    network = Network([make_architecture((1, 1), loss="squared_error", bias=False)], np.ones((1, 1)))
    examples = Examples(np.ones((n_samples, 1)), np.zeros((n_samples, 1)))
    return network, [replace(SGD, learning_rate=learning_rate)], examples


@pytest.mark.parametrize(("n_samples", "epoch", "step"), [(1, 2, 2), (2, 1, 2), (3, 0, 2)])
def test_a_divergence_is_reported_with_epoch_step_and_rate(n_samples, epoch, step):
    """The losses are 0.5, 5e199 and then infinite: w is 1, -1e100, 1e200."""
    epochs = train(*shrinking_line(1e100, n_samples), epochs=9, batch_size=1)
    (found,) = epochs[-1].diverged
    assert (found.model, found.epoch, found.step, found.learning_rate) == (0, epoch, step, 1e100)
    assert [e.number for e in epochs] == list(range(epoch + 1))  # there the training ends
    assert not any(e.diverged for e in epochs[:-1])


def test_parameters_that_overflow_in_the_last_step_are_a_divergence():
    """w is 0.1, then -1.3e154, whose square is still finite, and then beyond what can be written."""
    network, recipes, examples = shrinking_line(1.3e155, n_samples=2)
    network.parameters[...] = 0.1
    (epoch,) = train(network, recipes, examples, batch_size=1)
    assert [(d.epoch, d.step) for d in epoch.diverged] == [(0, 1)]
    assert np.isfinite(epoch.metrics["train_loss"])
    assert not np.isfinite(network.parameters).all()


def test_the_last_epoch_ends_with_the_most_steps():
    examples = make_examples("cross_entropy", 10, 2, 3)
    recipes = [Recipe(schedule="cosine"), Recipe(seed=1, schedule="cosine")]
    network = make_network(*[make_architecture((2, 4, 3))] * 2)
    start, ways = copy_of(network), {"batch_size": 4, "shuffle": False}
    epochs = fit(network, recipes, examples, epochs=9, max_steps=8, **ways)
    resume = [deepcopy(epoch.snapshot(model)) for epoch in islice(epochs, 2) for model in (0, 1)][2:]
    (last,) = epochs
    assert (last.number, last.remaining, last.snapshot(0).steps) == (2, (), 8)
    eight = Examples(*(part[:8] for part in examples[:2]))
    (expected,) = train(start, recipes, eight, epochs=3, resume=resume, **ways)
    assert start.parameters.tobytes() == network.parameters.tobytes()
    assert {name: values.tolist() for name, values in last.metrics.items()} == {
        name: values.tolist() for name, values in expected.metrics.items()
    }


def test_a_cut_epoch_draws_its_samples_from_all():
    recipes, examples = [Recipe()], make_examples("cross_entropy", 10, 2, 3)
    cut, other = (make_network(make_architecture((2, 4, 3))) for _ in range(2))
    train(cut, recipes, examples, max_steps=1, batch_size=4)
    order = draw_orders([generator(0, "shuffle")], 10)[0, :4]
    train(other, recipes, Examples(*(part[order] for part in examples[:2])))
    assert cut.parameters.tobytes() == other.parameters.tobytes()


def test_training_is_quiet_about_overflow_and_leaves_the_error_state_alone():
    before = np.geterr()
    for epoch in fit(*shrinking_line(1e100), epochs=5, batch_size=1):
        assert np.geterr() == before
        assert epoch.metrics
    assert np.geterr() == before


def test_examples_are_left_alone():
    examples = make_examples("cross_entropy", 9, 2, 3, weighted=True)
    before = [part.tobytes() for part in examples]
    train(make_network(make_architecture((2, 4, 3))), [Recipe()], examples, examples, epochs=2, batch_size=4)
    assert [part.tobytes() for part in examples] == before


def test_the_result_is_written_when_the_training_is_over():
    network = make_network(make_architecture((2, 4, 3)))
    start = copy_of(network).parameters
    epochs = fit(network, [Recipe()], make_examples("cross_entropy", 9, 2, 3), epochs=2, batch_size=4)
    next(epochs)
    assert network.parameters.tobytes() == start.tobytes()
    assert len(list(epochs)) == 1
    assert network.parameters.tobytes() != start.tobytes()
