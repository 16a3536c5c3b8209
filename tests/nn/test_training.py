import weakref
from dataclasses import replace

import numpy as np
import pytest

from networks import (
    SGD,
    begin,
    draw_parameters,
    gradient_of,
    make_architecture,
    make_descent,
    make_examples,
    train,
)
from plainmlp.nn import batches
from plainmlp.nn.architecture import view_layers
from plainmlp.nn.batches import Examples
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.randomness import draw_order, generator
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.training import WATCHED_ROWS

FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
SMALL = make_architecture((2, 4, 3))
NINE = make_examples("cross_entropy", 9, 2, 3)


@FORMS
@pytest.mark.parametrize("loss", LOSSES)
def test_metrics_that_are_recorded(loss, compiled):
    architecture, examples = make_architecture((2, 4, 3), loss=loss), make_examples(loss, 6, 2, 3)
    (epoch,) = train(architecture, Recipe(), examples, examples, compiled=compiled).epochs
    parts = {f"{part}_{kind}" for part in ("train", "validation") for kind in ("loss", LOSSES[loss].metric)}
    assert set(epoch.metrics) == parts | {"gradient_norm", "dead_units", "learning_rate"}
    assert all(type(value) is float for value in epoch.metrics.values())


@FORMS
def test_metrics_are_those_of_the_outputs(compiled):
    """Training metrics count each sample once, though the last batch is smaller; validation is after the epoch."""
    validation = make_examples("cross_entropy", 300, 2, 3, seed=1)
    still = train(SMALL, replace(SGD, learning_rate=1e-300), NINE, validation, batch_size=4, compiled=compiled)
    assert still.metric("train_accuracy") == [
        (still.descent.outputs(NINE.inputs).argmax(axis=1) == NINE.targets).mean()
    ]
    moved = train(SMALL, replace(SGD, learning_rate=0.5, l2=1.0), NINE, validation, batch_size=4, compiled=compiled)
    outputs = moved.descent.outputs(validation.inputs)
    picked = outputs[np.arange(300), validation.targets]
    np.testing.assert_allclose(moved.metric("validation_loss"), [-np.log(picked).mean()], rtol=1e-14)
    assert moved.metric("validation_accuracy") == [(outputs.argmax(axis=1) == validation.targets).mean()]


@FORMS
def test_target_scale_gives_metrics_the_units_of_the_targets_and_changes_nothing_else(compiled):
    examples, architecture = (
        make_examples("squared_error", 10, 2, 2),
        make_architecture((2, 4, 2), loss="squared_error"),
    )
    options = {"epochs": 2, "batch_size": 4, "compiled": compiled}
    plain = train(architecture, SGD, examples, examples, **options)
    scaled = train(architecture, SGD, examples, examples, target_scale=np.array([3.0, 3.0]), **options)
    assert plain.parameters.tobytes() == scaled.parameters.tobytes()
    for name, factor in {"train_loss": 1, "train_mean_squared_error": 9, "validation_mean_squared_error": 9}.items():
        np.testing.assert_allclose(scaled.metric(name), factor * np.array(plain.metric(name)), rtol=1e-14)


@FORMS
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_what_each_step_began_from(loss, compiled):
    """Sums over the batch, which is smaller at the end, make the epoch's metrics again."""
    architecture, examples = make_architecture((2, 4, 3), loss=loss), make_examples(loss, 10, 2, 3)
    trained = train(architecture, replace(SGD, l2=0.1), examples, epochs=2, batch_size=4, compiled=compiled)
    for epoch, first in zip(trained.epochs, (0, 3), strict=True):
        steps = epoch.steps()
        assert steps["step"].tolist() == [first, first + 1, first + 2]
        np.testing.assert_allclose(steps["loss"].mean(), epoch.metrics["train_loss"], rtol=1e-14)
        if loss == "cross_entropy":
            found = (steps["accuracy"] * [4, 4, 2]).sum() / 10
        else:
            found = steps["sum_of_squares"].sum() / (10 * 3)
        np.testing.assert_allclose(found, epoch.metrics[f"train_{LOSSES[loss].metric}"], rtol=1e-14)


def single_steps(parameters, order, rate):
    """Return the parameters after steps with one sample after another."""
    for i in order:
        _, gradient = gradient_of(SMALL, Examples(NINE.inputs[[i]], NINE.targets[[i]]), parameters)
        parameters = parameters - rate * gradient
    return parameters


@FORMS
def test_order_is_that_of_the_data_without_shuffling(compiled):
    options = {"epochs": 2, "batch_size": 1, "shuffle": False, "compiled": compiled}
    trained = train(SMALL, replace(SGD, learning_rate=0.1), NINE, **options)
    expected = single_steps(draw_parameters(SMALL), [*range(9), *range(9)], 0.1)
    np.testing.assert_allclose(trained.parameters, expected, rtol=1e-13)


@FORMS
def test_each_epoch_has_a_new_order_from_the_shuffle_stream(compiled):
    trained = train(SMALL, replace(SGD, learning_rate=0.1, seed=3), NINE, epochs=2, batch_size=1, compiled=compiled)
    stream = generator(3, "shuffle")
    order = [*stream.permutation(9), *stream.permutation(9)]
    np.testing.assert_allclose(trained.parameters, single_steps(draw_parameters(SMALL), order, 0.1), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_class_indices_may_have_any_integer_dtype(dtype):
    part = NINE._replace(targets=NINE.targets.astype(dtype))
    first, second = (train(SMALL, Recipe(), each, each, epochs=2, batch_size=4) for each in (NINE, part))
    assert first.digests == second.digests
    assert first.metric("validation_accuracy") == second.metric("validation_accuracy")


@FORMS
@pytest.mark.parametrize("shuffle", [True, False])
def test_inputs_may_be_a_memory_map(tmp_path, shuffle, compiled):
    architecture = make_architecture((3, 5, 2), loss="squared_error")
    examples = make_examples("squared_error", 23, 3, 2, dtype=np.float32)
    np.save(tmp_path / "inputs.npy", examples.inputs)
    mapped = examples._replace(inputs=np.load(tmp_path / "inputs.npy", mmap_mode="r"))
    options = {"epochs": 2, "batch_size": 4, "shuffle": shuffle, "compiled": compiled}
    first, second = (train(architecture, Recipe(), part, part, **options) for part in (examples, mapped))
    assert first.digests == second.digests
    assert first.descent.outputs(examples.inputs).tobytes() == second.descent.outputs(mapped.inputs).tobytes()


@pytest.mark.parametrize(("batch_size", "same"), [(9, True), (1000, True), (8, False)])
def test_a_full_batch_keeps_the_order(batch_size, same):
    first, second = (train(SMALL, SGD, NINE, epochs=2, batch_size=batch_size, shuffle=way) for way in (True, False))
    assert (first.parameters.tobytes() == second.parameters.tobytes()) == same


@FORMS
def test_validation_does_not_influence_training(compiled):
    validation, options = make_examples("cross_entropy", 300, 2, 3, seed=1), {"epochs": 3, "batch_size": 4}
    first, second = (
        train(SMALL, Recipe(dropout=0.3), NINE, part, **options, compiled=compiled) for part in (None, validation)
    )
    assert first.digests == second.digests


@FORMS
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
def test_overfits_eight_points(activation, compiled):
    architecture = make_architecture((2, 32, 16, 3), activation)
    examples = make_examples("cross_entropy", 8, 2, 3)
    trained = train(architecture, Recipe(learning_rate=0.03), examples, epochs=300, compiled=compiled)
    assert trained.metric("train_accuracy")[-1] == 1
    assert trained.metric("train_loss")[-1] < 0.02


@FORMS
def test_without_hidden_layers_it_is_softmax_regression(compiled):
    """At the optimum of mean cross-entropy + l2 / 2 sum w^2, l2 w = mean of (t - p) x and the mean of t - p is 0."""
    architecture, examples = make_architecture((2, 3)), make_examples("cross_entropy", 60, 2, 3)
    trained = train(architecture, replace(SGD, learning_rate=0.5, l2=0.1), examples, epochs=1000, compiled=compiled)
    layers = view_layers(trained.parameters, architecture)
    sums = np.exp(examples.inputs @ layers.weights[0] + layers.biases[0])
    error = np.eye(3)[examples.targets] - sums / sums.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(0.1 * layers.weights[0], examples.inputs.T @ error / 60, atol=1e-12)
    np.testing.assert_allclose(error.mean(axis=0), np.zeros(3), atol=1e-12)


@FORMS
def test_the_scheduled_rate_is_the_one_that_is_used(compiled):
    recipe = replace(SGD, schedule="exponential", schedule_options={"factor": 0.5})
    trained, parameters = train(SMALL, recipe, NINE, epochs=3, compiled=compiled), draw_parameters(SMALL)
    assert trained.metric("learning_rate") == [1, 0.5, 0.25]
    for rate in (1.0, 0.5, 0.25):
        parameters = parameters - rate * gradient_of(SMALL, NINE, parameters)[1]
    np.testing.assert_allclose(trained.parameters, parameters, rtol=1e-13)


def test_a_schedule_knows_where_the_last_step_is():
    """Seven steps of three an epoch end in the third epoch, and a cosine over three epochs is at 3/4 in the second."""
    recipe = replace(SGD, schedule="cosine")
    trained = train(SMALL, recipe, NINE, epochs=99, max_steps=7, batch_size=3)
    np.testing.assert_allclose(trained.metric("learning_rate"), [1, 0.75, 0.25], rtol=1e-14)


@pytest.mark.parametrize("with_validation", [True, False])
def test_reduce_on_plateau_watches_validation_or_else_training(with_validation):
    """The validation targets are the opposite of the training targets: one loss rises while the other falls."""
    inputs, architecture = np.ones((4, 1)), make_architecture((1, 2))
    examples, validation = Examples(inputs, np.zeros(4, int)), Examples(inputs, np.ones(4, int))
    recipe = replace(SGD, learning_rate=0.1, schedule="reduce_on_plateau", schedule_options={"plateau_epochs": 2})
    trained = train(architecture, recipe, examples, validation if with_validation else None, epochs=5)
    expected = [0.1, 0.1, 0.1, 0.05, 0.05] if with_validation else [0.1] * 5
    np.testing.assert_allclose(trained.metric("learning_rate"), expected)


LINE = make_architecture((1, 1), loss="squared_error", bias=False)


def shrink(learning_rate, n_samples=1, start=1.0, **options):
    """Train y = w x from samples x = 1, y = 0: each step multiplies w by 1 - learning_rate."""
    examples = Examples(np.ones((n_samples, 1)), np.zeros((n_samples, 1)))
    recipe = replace(SGD, learning_rate=learning_rate)
    return train(LINE, recipe, examples, parameters=np.array([start]), batch_size=1, **options)


@FORMS
@pytest.mark.parametrize(("n_samples", "epoch", "step"), [(1, 2, 2), (2, 1, 2), (3, 0, 2), (7, 0, 2)])
def test_a_divergence_is_reported_with_epoch_step_and_rate(n_samples, epoch, step, compiled):
    """The losses are 0.5, 5e199 and then infinite: w is 1, -1e100, 1e200."""
    epochs = shrink(1e100, n_samples, epochs=9, compiled=compiled).epochs
    found = epochs[-1].diverged
    assert (found.epoch, found.step, found.learning_rate) == (epoch, step, 1e100)
    assert [e.number for e in epochs] == list(range(epoch + 1))  # there the training ends
    assert [e.is_last for e in epochs] == [False] * epoch + [True]
    assert not any(e.diverged for e in epochs[:-1])


@FORMS
def test_parameters_that_overflow_in_the_last_step_are_a_divergence(compiled):
    """w is 0.1, then -1.3e154, whose square is still finite, and then beyond what can be written."""
    trained = shrink(1.3e155, 2, 0.1, compiled=compiled)
    (epoch,) = trained.epochs
    assert (epoch.diverged.epoch, epoch.diverged.step) == (0, 1)
    assert np.isfinite(epoch.metrics["train_loss"])
    assert not np.isfinite(trained.parameters).all()


@FORMS
def test_the_last_epoch_ends_with_the_most_steps(compiled):
    ten, recipe = make_examples("cross_entropy", 10, 2, 3), Recipe(schedule="cosine")
    options = {"batch_size": 4, "shuffle": False, "compiled": compiled}
    cut = train(SMALL, recipe, ten, epochs=9, max_steps=8, **options)
    assert [snapshot.steps for snapshot in cut.snapshots] == [3, 6, 8]
    assert [epoch.is_last for epoch in cut.epochs] == [False, False, True]
    eight = Examples(*(part[:8] for part in ten[:2]))
    expected = train(SMALL, recipe, eight, epochs=3, snapshot=cut.snapshots[1], **options)
    assert cut.parameters.tobytes() == expected.parameters.tobytes()
    assert cut.epochs[-1].metrics == expected.epochs[-1].metrics


def test_a_cut_epoch_draws_its_samples_from_all():
    cut = train(SMALL, Recipe(), NINE, max_steps=1, batch_size=4)
    order = draw_order(generator(0, "shuffle"), 9)[:4]
    other = train(SMALL, Recipe(), Examples(*(part[order] for part in NINE[:2])))
    assert cut.parameters.tobytes() == other.parameters.tobytes()


@FORMS
@pytest.mark.parametrize(("place", "share"), [(63, 0), (64, 0), (WATCHED_ROWS - 1, 0), (WATCHED_ROWS, 1)])
def test_dead_units_are_looked_for_with_the_first_samples(place, share, compiled):
    """A hidden unit sees one sample above zero, and counts as dead where that comes too late."""
    architecture = make_architecture((1, 1, 1), "relu", "squared_error", bias=False)
    inputs = np.full((WATCHED_ROWS + 1, 1), -1.0)
    inputs[place] = 100
    examples = Examples(inputs, np.zeros_like(inputs))
    options = {"parameters": np.ones(2), "compiled": compiled}
    assert train(architecture, replace(SGD, learning_rate=1e-9), examples, **options).metric("dead_units") == [share]


@FORMS
def test_training_is_quiet_about_overflow_and_leaves_the_error_state_alone(compiled):
    before = np.geterr()
    assert shrink(1e100, epochs=5, compiled=compiled).epochs[-1].diverged
    assert np.geterr() == before


@FORMS
def test_examples_are_left_alone(compiled):
    examples = make_examples("cross_entropy", 9, 2, 3, weighted=True)
    before = [part.tobytes() for part in examples]
    train(SMALL, Recipe(), examples, examples, epochs=2, batch_size=4, compiled=compiled)
    assert [part.tobytes() for part in examples] == before


@FORMS
def test_blocks_of_batches_change_no_bit(monkeypatch, compiled):
    """Draws, coefficients and the norm do not depend on how many calls an epoch is made of."""
    from plainmlp.nn import batches

    recipe, digests = Recipe(optimizer="nadam", dropout=0.4), []
    for work in (1 << 30, 1):
        monkeypatch.setattr(batches, "BLOCK_WORK", work)
        trained = train(SMALL, recipe, NINE, NINE, epochs=2, batch_size=2, compiled=compiled)
        digests.append((trained.digests, [epoch.metrics for epoch in trained.epochs]))
    assert digests[0] == digests[1]


def test_an_epoch_is_made_when_it_is_asked_for():
    training, descent = begin(SMALL, Recipe(), NINE, epochs=2, batch_size=4)
    epochs, start = training.run(), draw_parameters(SMALL).tobytes()
    assert descent.parameters.tobytes() == start
    next(epochs)
    after_one = descent.parameters.tobytes()
    assert after_one != start
    assert len(list(epochs)) == 1
    assert descent.parameters.tobytes() != after_one


def test_a_network_of_the_results_has_their_outputs():
    trained = train(SMALL, Recipe(), NINE, epochs=2)
    again = make_descent(SMALL, Recipe(), trained.parameters.copy())
    assert again.outputs(NINE.inputs).tobytes() == trained.descent.outputs(NINE.inputs).tobytes()


class Read:
    """Inputs that are read anew each time, and how many arrays of them were in memory before each reading."""

    def __init__(self, rows):
        self._rows, self.shape, self.dtype, self._given, self.held = rows, rows.shape, rows.dtype, [], []

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, places):
        return self.take(places)

    def take(self, places, axis=0, out=None, mode="raise"):
        self.held.append(sum(given() is not None for given in self._given))
        rows = self._rows[places].copy()
        self._given.append(weakref.ref(rows))
        return rows


@FORMS
@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_that_were_read_are_let_go_before_more_are_read(shuffle, compiled, monkeypatch):
    monkeypatch.setattr(batches, "BLOCK_NUMBERS", 4)
    examples = NINE._replace(inputs=Read(NINE.inputs))
    train(SMALL, Recipe(), examples, batch_size=2, epochs=2, compiled=compiled, shuffle=shuffle)
    assert examples.inputs.held == [0] + 10 * [1]  # the first rows stay, for dead units are looked for with them
