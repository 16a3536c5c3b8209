"""The two forms of a network come to the same bits, whatever is trained and however."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networks import begin, draw_parameters, find_alive, make_descent, make_examples, make_steps, whole_block
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.architecture import Architecture
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.recipe import Recipe
from plainmlp.nn.schedules import SCHEDULES
from plainmlp.nn.snapshot import Snapshot

QUICK = {"plateau_epochs": 1, "every_epochs": 1, "warmup_epochs": 3}


@st.composite
def options_of(draw, entry):
    """Draw values for some of the options of a table's entry."""
    options = {}
    for name in entry.options:
        if draw(st.booleans()):
            options[name] = QUICK[name] if name in QUICK else draw(st.floats(0.05, 0.95))
    return options


@st.composite
def architectures(draw):
    sizes = draw(st.lists(st.integers(1, 70) | st.sampled_from([1, 15, 16, 17]), min_size=2, max_size=6))
    loss = draw(st.sampled_from(list(LOSSES)))
    activations = [draw(st.sampled_from(list(ACTIVATIONS))) for _ in sizes[1:-1]]
    options = draw(options_of(LOSSES[loss]))
    return Architecture(tuple(sizes), tuple(activations), loss, tuple(options.items()), draw(st.booleans()))


@st.composite
def recipes(draw, *, has_validation):
    optimizer, schedule = draw(st.sampled_from(list(OPTIMIZERS))), draw(st.sampled_from(list(SCHEDULES)))
    rates = st.sampled_from([0.0, 0.0, 0.01, 0.3])
    return Recipe(
        draw(st.integers(0, 9)),
        optimizer,
        draw(st.sampled_from([1e-3, 0.02, 0.3])),
        draw(options_of(OPTIMIZERS[optimizer])),
        schedule,
        draw(options_of(SCHEDULES[schedule])),
        l1=draw(rates),
        l2=draw(rates),
        dropout=draw(st.sampled_from([0.0, 0.0, 0.1, 0.5, 0.9])),
        clip_norm=draw(st.sampled_from([float("inf"), float("inf"), 0.05, 1.0])),
        patience=draw(st.sampled_from([None, 1, 2])),
        monitor="validation_loss" if has_validation else "train_loss",
    )


@st.composite
def examples_for(draw, architecture, sizes, dtype):
    """Draw examples, some of whose inputs, outputs and weights are zero."""
    n_in, *_, n_out = architecture.layer_sizes
    seed, n_samples = draw(st.integers(0, 99)), draw(sizes)
    examples = make_examples(
        architecture.loss, n_samples, n_in, n_out, dtype=dtype, seed=seed, weighted=draw(st.booleans())
    )
    kept = np.random.default_rng(seed).random(examples.inputs.shape) < draw(st.sampled_from([1.0, 0.6, 0.02]))
    return examples._replace(inputs=np.where(kept, examples.inputs, examples.inputs.dtype.type(0)))


@st.composite
def cases(draw):
    """Draw all that a training is made of."""
    architecture, dtype = draw(architectures()), draw(st.sampled_from([np.float32, np.float64]))
    validation = draw(st.none() | examples_for(architecture, st.integers(1, 300), dtype))
    recipe = draw(recipes(has_validation=validation is not None))
    examples = draw(examples_for(architecture, st.integers(1, 40) | st.integers(240, 1100), dtype))
    n_samples = len(examples.inputs)
    few = st.integers(-(-n_samples // 12), n_samples)  # so that an epoch has at most 12 batches
    options = {
        "batch_size": draw(few | st.just(n_samples) | st.integers(min(n_samples, 257), n_samples)),
        "shuffle": draw(st.booleans()),
        "max_steps": draw(st.none() | st.integers(1, 9)),
        "epochs": 2,
    }
    scale = draw(st.none() | st.just(np.linspace(0.5, 3, architecture.layer_sizes[-1])))
    return architecture, recipe, examples, validation, {**options, "target_scale": scale}


def bits_of(epoch):
    """Return all that an epoch came to, as something whose equality is that of bits."""
    snapshot = epoch.snapshot
    arrays = [snapshot.parameters, *snapshot.slots, *epoch.steps().values()]
    numbers = {name: value.hex() for name, value in epoch.metrics.items()}
    best = None if snapshot.best.parameters is None else snapshot.best.parameters.tobytes()
    return [array.tobytes() for array in arrays], numbers, epoch.diverged, snapshot.digest(), best, epoch.is_last


def run(case, snapshot, **form):
    """Return the bits of each epoch and of the result, and what a training goes on from after the first."""
    *given, options = case
    training, descent = begin(*given, snapshot=deepcopy(snapshot), **options, **form)
    epochs, first = [], None
    for epoch in training.run():
        if epoch.diverged is not None:  # what is not a number has no bits to agree on
            return [*epochs, (epoch.diverged, epoch.is_last)], first
        epochs.append(bits_of(epoch))
        first = deepcopy(epoch.snapshot) if first is None else first
    return [*epochs, descent.parameters.tobytes(), bits_of_use(given[0], descent, given[2].inputs)], first


def bits_of_use(architecture, descent, inputs):
    return descent.outputs(inputs).tobytes(), find_alive(architecture, descent, inputs).tobytes()


def round_off(values):
    """Return a few round numbers with many zeros, ones and ties, in place of any."""
    return np.clip(np.round(values * 2) / 2, -1, 1).astype(values.dtype)


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(cases(), st.sampled_from([1, 1, 2]), st.booleans())
def test_both_forms_have_the_same_bits(case, threads, resumes):
    architecture, recipe, examples, *_ = case
    snapshot = Snapshot.initial(draw_parameters(architecture, recipe.seed, examples.inputs.dtype), recipe)
    plain, after_one = run(case, snapshot)
    compiled, _ = run(case, snapshot, compiled=True, threads=threads)
    assert compiled == plain
    if resumes and len(plain) == 4:
        resumed, _ = run(case, after_one, compiled=True, threads=threads)
        assert resumed == plain[1:]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(architectures(), st.integers(0, 99), st.integers(1, 40) | st.integers(250, 600), st.booleans(), st.booleans())
def test_both_forms_have_the_same_bits_of_round_numbers(architecture, seed, n_samples, drops, is_single):
    """Ties of outputs, weights of zero, sums at a kink, labels and draws that are just at their threshold."""
    dtype, (n_in, *hidden, n_out) = np.float32 if is_single else np.float64, architecture.layer_sizes
    examples = make_examples(architecture.loss, n_samples, n_in, n_out, dtype=dtype, seed=seed)
    examples = examples._replace(inputs=round_off(examples.inputs), targets=round_off(examples.targets))
    if architecture.loss == "cross_entropy":
        examples = examples._replace(targets=make_examples("cross_entropy", n_samples, n_in, n_out).targets)
    recipe = Recipe(optimizer="momentum", l1=0.25, l2=0.5, dropout=0.25 if drops else 0.0, clip_norm=2.0)
    parameters, block = round_off(draw_parameters(architecture, seed, dtype)), whole_block(architecture, examples)
    draws = np.random.default_rng(seed).integers(0, 4, sum(hidden) * n_samples).astype(dtype) / 4
    bits = []
    for compiled in (False, True):
        descent = make_descent(architecture, recipe, parameters, compiled=compiled)
        before = [part.tobytes() for part in descent.measure(block)], bits_of_use(architecture, descent, block.inputs)
        steps = make_steps(descent, block, [[0.5, 0.5]], draws if drops else None)
        bits.append((before, descent.parameters.tobytes(), steps.losses.tobytes(), steps.scores.tobytes()))
    assert bits[0] == bits[1]


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.integers(17, 70), st.sampled_from([16, 32, 48, 20]), st.sampled_from([1, 7, 32, 300]), st.sampled_from([0, 1])
)
def test_both_forms_have_the_same_bits_where_few_inputs_are_not_zero(n_in, n_hidden, batch_size, seed):
    """The inputs that are zero are left out, and plain descent leaves their weights as they are."""
    architecture = Architecture((n_in, n_hidden, 3), ("sigmoid",), "cross_entropy")
    examples = make_examples("cross_entropy", 310, n_in, 3, dtype=np.float32, seed=seed)
    kept = np.random.default_rng(seed).random(examples.inputs.shape) < 0.2
    examples = examples._replace(inputs=np.where(kept, examples.inputs, np.float32(0)))
    recipe = Recipe(seed, "sgd", 0.1)
    options = {"batch_size": batch_size, "shuffle": True, "max_steps": 40, "epochs": 3, "target_scale": None}
    snapshot = Snapshot.initial(draw_parameters(architecture, seed, np.float32), recipe)
    case = architecture, recipe, examples, None, options
    assert run(case, snapshot, compiled=True)[0] == run(case, snapshot)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_forms_have_the_same_bits_where_a_deep_factor_is_packed(dtype):
    architecture = Architecture((530, 21, 3), ("tanh",), "cross_entropy")
    recipe, options = Recipe(optimizer="sgd"), {"batch_size": 150, "max_steps": 3, "epochs": 2, "shuffle": True}
    snapshot = Snapshot.initial(draw_parameters(architecture, 0, dtype), recipe)
    examples = make_examples("cross_entropy", 300, 530, 3, dtype=dtype)
    case = architecture, recipe, examples, None, {**options, "target_scale": None}
    assert run(case, snapshot, compiled=True)[0] == run(case, snapshot)[0]
