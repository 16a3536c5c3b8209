"""A network trained in a stack has the bits that it has alone: parameters, and every metric of every epoch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn.networks import copy_of, make_architecture, make_examples, make_network, train
from plainmlp.nn import batches as batches_module
from plainmlp.nn.activations import ACTIVATIONS, SIGN_SIZE
from plainmlp.nn.gradient import DOT_WEIGHTS, ROW_BATCH
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import SCHEDULES

DTYPES = [np.float32, np.float64]


def alone(network, model):
    return Network(network.architectures[model : model + 1], network.parameters[model : model + 1].copy())


def bits(array):
    """Return the bits of an array; every NaN counts as one and the same, whatever its sign."""
    return np.where(np.isnan(array), np.nan, array).tobytes()


def history_of(epochs, model):
    """Return a model's metrics in each epoch, as bits, and where it diverged."""
    history = []
    for epoch in epochs:
        if model in epoch.models:
            row = epoch.models.index(model)
            diverged = [(d.epoch, d.step, d.learning_rate) for d in epoch.diverged if d.model == model]
            metrics = {name: values[row].tobytes() for name, values in epoch.metrics.items()}
            history.append((epoch.number, {} if diverged else metrics, diverged))
    return history


def check_stack(network, recipes, examples, validation=None, **options):
    """Train a stack, then each of its models alone, and compare the bits."""
    stack = copy_of(network)
    epochs = train(stack, recipes, examples, validation, **options)
    for model, recipe in enumerate(recipes):
        single = alone(network, model)
        history = history_of(train(single, [recipe], examples, validation, **options), 0)
        assert history_of(epochs, model) == history
        assert bits(single.parameters[0]) == bits(stack.parameters[model])
    return epochs, stack


def five_recipes(**options):
    return [
        Recipe(seed=i, learning_rate=rate, **options) for i, rate in enumerate([0.01, 0.02, 0.005, 0.01, 0.03], start=4)
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, dtype):
    """Also beside others in the same layer, which changes whether a layer works in place."""
    others = [name, "gelu", name, name, "relu"]
    for names in ([name] * 5, others):
        network = make_network(*(make_architecture((7, 16, 9, 5), (n, name)) for n in names), dtype=dtype)
        examples = make_examples("cross_entropy", 70, 7, 5, dtype=dtype)
        check_stack(network, five_recipes(), examples, examples, epochs=2, batch_size=32)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name, dtype):
    network = make_network(*[make_architecture((7, 16, 5), "tanh", name)] * 5, dtype=dtype)
    examples = make_examples(name, 70, 7, 5, dtype=dtype, weighted=True)
    validation = make_examples(name, 33, 7, 5, dtype=dtype, seed=1)
    scale = np.array([1, 2, 3, 4, 5], dtype)
    check_stack(network, five_recipes(), examples, validation, epochs=2, batch_size=32, target_scale=scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name, dtype, monkeypatch):
    monkeypatch.setattr(batches_module, "BLOCK_BYTES", 4000)  # a stack's blocks are shorter than a single network's
    network = make_network(*[make_architecture((7, 16, 5))] * 5, dtype=dtype)
    examples = make_examples("cross_entropy", 70, 7, 5, dtype=dtype)
    recipes = five_recipes(optimizer=name)
    options = OPTIMIZERS[name].options
    recipes[1] = replace(recipes[1], optimizer_options={key: options[key].default / 2 for key in options})
    check_stack(network, recipes, examples, epochs=3, batch_size=4)


@pytest.mark.parametrize("n_out", range(1, 13))
def test_every_number_of_classes(n_out):
    """Sums over classes are where the order of the terms could depend on the stack."""
    for dtype in DTYPES:
        for batch_size in (1, 2, ROW_BATCH):
            network = make_network(*[make_architecture((3, 4, n_out))] * 3, dtype=dtype)
            examples = make_examples("cross_entropy", ROW_BATCH + 3, 3, n_out, dtype=dtype)
            check_stack(network, five_recipes()[:3], examples, examples, batch_size=batch_size)


@pytest.mark.parametrize("shuffle", [True, False])
def test_models_of_one_seed_share_the_order_and_draw_their_own_masks(shuffle):
    network = make_network(*[make_architecture((3, 6, 4), "relu")] * 4)
    examples = make_examples("cross_entropy", 30, 3, 4, weighted=True)
    for seeds in ((3, 3, 3, 3), (3, 4, 3, 4)):
        recipes = [replace(r, seed=s, dropout=0.3) for r, s in zip(five_recipes(), seeds, strict=False)]
        check_stack(network, recipes, examples, examples, epochs=3, batch_size=7, shuffle=shuffle)


@pytest.mark.parametrize("bias", [True, False])
def test_one_sample_at_a_time_through_a_large_layer(bias):
    network = make_network(*[make_architecture((DOT_WEIGHTS // 8, 8, 3), bias=bias)] * 3, dtype=np.float32)
    examples = make_examples("cross_entropy", 5, DOT_WEIGHTS // 8, 3, dtype=np.float32)
    for seeds in ((1, 2, 3), (1, 1, 1)):
        recipes = [replace(r, seed=seed) for r, seed in zip(five_recipes(), seeds, strict=False)]
        check_stack(network, recipes, examples, epochs=2, batch_size=1)


def test_a_stack_with_relu_units_so_many_that_their_slope_is_compared():
    network = make_network(*[make_architecture((3, 16, 4), ("relu",))] * 5, dtype=np.float32)
    n_batch = SIGN_SIZE // (16 * 5) + 1
    examples = make_examples("cross_entropy", 2 * n_batch, 3, 4, dtype=np.float32)
    check_stack(network, five_recipes(), examples, epochs=2, batch_size=n_batch)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_model_that_diverges_beside_healthy_ones(dtype):
    network = make_network(*[make_architecture((3, 6, 4), "relu", "squared_error")] * 4, dtype=dtype)
    recipes = [
        Recipe(optimizer="sgd", learning_rate=0.01, l1=0.1, l2=0.1, dropout=0.3),
        Recipe(optimizer="sgd", learning_rate=1e30),
        Recipe(optimizer="sgd", learning_rate=0.01, clip_norm=0.1),
        Recipe(optimizer="sgd", learning_rate=0.01, l2=1e-3),
    ]
    examples = make_examples("squared_error", 20, 3, 4, dtype=dtype)
    epochs, stack = check_stack(network, recipes, examples, examples, epochs=4, batch_size=8)
    assert [d.model for epoch in epochs for d in epoch.diverged] == [1]
    assert epochs[-1].models == (0, 2, 3)
    assert np.isfinite(stack.parameters[[0, 2, 3]]).all()


def test_models_leave_at_different_epochs():
    network = make_network(*[make_architecture((3, 12, 4))] * 5)
    recipes = [
        replace(r, patience=p, dropout=0.2 * (p == 2)) for r, p in zip(five_recipes(), [1, 2, 1, None, 3], strict=True)
    ]
    recipes = [replace(r, learning_rate=20 * r.learning_rate) for r in recipes]
    examples, validation = (make_examples("cross_entropy", 30, 3, 4, seed=seed) for seed in range(2))
    epochs, _ = check_stack(network, recipes, examples, validation, epochs=12, batch_size=7)
    assert len({epoch.models for epoch in epochs}) >= 3  # else the test shows nothing


@pytest.mark.parametrize("block_bytes", [1, 700, 5000, 1 << 24])
def test_grouping_into_blocks_does_not_matter(block_bytes, monkeypatch):
    network = make_network(*[make_architecture((3, 6, 4))] * 3)
    examples = make_examples("cross_entropy", 50, 3, 4, weighted=True)
    recipes = [replace(r, l2=0.01) for r in five_recipes(optimizer="nadam")[:3]]
    for shuffle in (True, False):
        found = []
        for size in (batches_module.BLOCK_BYTES, block_bytes):
            monkeypatch.setattr(batches_module, "BLOCK_BYTES", size)
            stack = copy_of(network)
            epochs = train(stack, recipes, examples, examples, epochs=3, batch_size=4, shuffle=shuffle)
            found.append((stack.parameters.tobytes(), [history_of(epochs, model) for model in range(3)]))
        assert found[0] == found[1]


def recipes_for(optimizer):
    return st.builds(
        Recipe,
        seed=st.integers(0, 99),
        optimizer=st.just(optimizer),
        learning_rate=st.sampled_from([1e-3, 0.1, 1.0, 1e30]),
        schedule=st.sampled_from(list(SCHEDULES)),
        l1=st.sampled_from([0.0, 0.0, 0.01]),
        l2=st.sampled_from([0.0, 0.0, 0.1]),
        dropout=st.sampled_from([0.0, 0.0, 0.5]),
        clip_norm=st.sampled_from([float("inf"), 0.1]),
        patience=st.sampled_from([None, None, 1, 2]),
        monitor=st.sampled_from(["validation_loss", "train_loss"]),
    )


@st.composite
def stacks(draw):
    """Draw the arguments of a training."""
    loss, dtype = draw(st.sampled_from(list(LOSSES))), draw(st.sampled_from(DTYPES))
    n_in, n_out = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    hidden = draw(st.lists(st.integers(1, 9), max_size=2))
    names = st.tuples(*[st.sampled_from(list(ACTIVATIONS))] * len(hidden))
    activations = draw(st.lists(names, min_size=1, max_size=4))
    bias = draw(st.booleans())
    network = make_network(
        *(make_architecture((n_in, *hidden, n_out), n, loss, bias=bias) for n in activations), dtype=dtype
    )
    recipe = recipes_for(draw(st.sampled_from(list(OPTIMIZERS))))
    recipes = draw(st.lists(recipe, min_size=len(activations), max_size=len(activations)))
    n_samples, weighted = draw(st.integers(1, 40)), draw(st.booleans())
    examples = make_examples(loss, n_samples, n_in, n_out, dtype=dtype, weighted=weighted)
    validation = make_examples(loss, draw(st.integers(1, 40)), n_in, n_out, dtype=dtype, seed=1)
    options = {
        "epochs": draw(st.integers(1, 4)),
        "batch_size": draw(st.sampled_from([1, 2, 7, 32, 100])),
        "shuffle": draw(st.booleans()),
    }
    return network, recipes, examples, validation, options


@given(stacks(), st.sampled_from([1, 300, 5000, batches_module.BLOCK_BYTES]))
@settings(max_examples=150, deadline=None)
def test_any_stack(stack, block_bytes):
    *arguments, options = stack
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches_module, "BLOCK_BYTES", block_bytes)
        check_stack(*arguments, **options)
