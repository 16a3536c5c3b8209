import math
from dataclasses import replace

import numpy as np
import pytest

from networks import (
    DTYPES,
    SGD,
    draw_parameters,
    find_alive,
    gradient_of,
    make_architecture,
    make_descent,
    make_examples,
    make_steps,
    train,
    whole_block,
)
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.batches import Block, Examples
from plainmlp.nn.descent import can_die
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.network import Network

FORMS = pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
SMALL = make_architecture((2, 4, 3))


def by_hand(parameters, samples, *, rate, l1, l2):
    """Do one step on a 2-2-2 network, sigmoid and softmax, in plain loops; return the cost before it."""
    w1, w2 = parameters[0:4], parameters[4:8]  # w1[2 * input + unit]
    b1, b2 = parameters[8:10], parameters[10:12]
    gradient = [0.0] * 12
    cost = 0.0
    for x, true in samples:
        hidden = [1 / (1 + math.exp(-(w1[j] * x[0] + w1[2 + j] * x[1] + b1[j]))) for j in range(2)]
        z = [w2[k] * hidden[0] + w2[2 + k] * hidden[1] + b2[k] for k in range(2)]
        total = math.exp(z[0]) + math.exp(z[1])
        error = [math.exp(z[k]) / total - (k == true) for k in range(2)]
        cost -= math.log(math.exp(z[true]) / total) / len(samples)
        for k in range(2):
            gradient[10 + k] += error[k] / len(samples)
            for j in range(2):
                gradient[4 + 2 * j + k] += error[k] * hidden[j] / len(samples)
        for j in range(2):
            back = (error[0] * w2[2 * j] + error[1] * w2[2 * j + 1]) * hidden[j] * (1 - hidden[j])
            gradient[8 + j] += back / len(samples)
            for i in range(2):
                gradient[2 * i + j] += back * x[i] / len(samples)
    for i in range(8):
        cost += l1 * abs(parameters[i]) + l2 / 2 * parameters[i] ** 2
        gradient[i] += l1 * math.copysign(1, parameters[i]) + l2 * parameters[i]
    return cost, [p - rate * g for p, g in zip(parameters, gradient, strict=True)]


@FORMS
def test_an_epoch_worked_by_hand(compiled):
    """Three samples in batches of two: the mean over the batches counts the half-full one as much as the full one."""
    architecture = make_architecture((2, 2, 2), "sigmoid")
    inputs, targets = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 0.9]]), np.array([0, 1, 1])
    recipe = replace(SGD, learning_rate=0.5, l1=0.02, l2=0.3)
    parameters, costs = draw_parameters(architecture).tolist(), []
    samples = list(zip(inputs.tolist(), targets.tolist(), strict=True))
    for batch in (samples[:2], samples[2:]):
        cost, parameters = by_hand(parameters, batch, rate=0.5, l1=0.02, l2=0.3)
        costs.append(cost)
    trained = train(architecture, recipe, Examples(inputs, targets), batch_size=2, shuffle=False, compiled=compiled)
    np.testing.assert_allclose(trained.parameters, parameters, rtol=1e-14)
    np.testing.assert_allclose(trained.metric("train_loss"), [sum(costs) / 2], rtol=1e-14)


@FORMS
def test_the_cost_of_a_large_batch_is_the_mean_of_its_samples(compiled):
    """600 samples are three blocks; the gradient is that of their mean cost too."""
    examples, parameters = make_examples("cross_entropy", 600, 2, 3, weighted=True), draw_parameters(SMALL)
    cost, gradient = gradient_of(SMALL, examples, parameters, compiled=compiled)
    single = [
        gradient_of(SMALL, Examples(*(part[i : i + 1] for part in examples)), parameters, compiled=compiled)
        for i in range(600)
    ]
    np.testing.assert_allclose(cost, np.mean([one for one, _ in single]), rtol=1e-13)
    np.testing.assert_allclose(gradient, np.mean([one for _, one in single], axis=0), rtol=1e-11, atol=1e-15)


@FORMS
def test_penalties_are_those_of_the_weights_alone(compiled):
    """With weights of 1, -2, 0 and a bias of 5 they cost l1 3 + l2 / 2 5."""
    architecture, parameters = make_architecture((3, 1), loss="squared_error"), np.array([1.0, -2.0, 0.0, 5.0])
    examples = Examples(np.zeros((2, 3)), np.full((2, 1), 5.0))
    for l1, l2 in ((0.1, 0.0), (0.0, 0.5), (0.1, 0.5), (0.0, 0.0)):
        cost, gradient = gradient_of(architecture, examples, parameters, replace(SGD, l1=l1, l2=l2), compiled=compiled)
        np.testing.assert_allclose(cost, l1 * 3 + l2 / 2 * 5, rtol=1e-15)
        np.testing.assert_allclose(gradient, [l1 + l2, -l1 - 2 * l2, 0, 0], rtol=1e-14)


@FORMS
def test_weight_decay_shortens_weights_and_not_biases(compiled):
    architecture = make_architecture((2, 1), loss="squared_error")
    descent = make_descent(architecture, replace(SGD, optimizer="adamw"), np.array([2.0, 4.0, 3.0]), compiled=compiled)
    block = whole_block(architecture, Examples(np.zeros((1, 2)), np.full((1, 1), 3.0)))
    make_steps(descent, block, [[0.1, 1e-8, 0.9, 0.999, 0.5]])
    np.testing.assert_array_equal(descent.parameters, [1, 2, 3])


@FORMS
def test_sample_weights_are_as_good_as_repetitions(compiled):
    examples, parameters = make_examples("cross_entropy", 4, 2, 3), draw_parameters(SMALL)
    repeated = Examples(*(np.repeat(part, [1, 2, 3, 2], axis=0) for part in examples[:2]))
    weighted = examples._replace(weights=np.array([1, 2, 3, 2]) / 2)  # a mean of 1
    first, second = (gradient_of(SMALL, part, parameters, compiled=compiled) for part in (repeated, weighted))
    np.testing.assert_allclose(first[0], second[0], rtol=1e-13)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-11, atol=1e-15)


@FORMS
@pytest.mark.parametrize("share", [0.3, 0.99, 1.01, 5])
def test_clipping_keeps_the_direction_and_shortens_only_long_gradients(share, compiled):
    examples, parameters = make_examples("cross_entropy", 9, 2, 3), draw_parameters(SMALL)
    recipe = replace(SGD, l1=0.1, l2=0.2)
    _, gradient = gradient_of(SMALL, examples, parameters, recipe, compiled=compiled)
    clipping = replace(recipe, clip_norm=share * float(np.linalg.norm(gradient)))
    _, clipped = gradient_of(SMALL, examples, parameters, clipping, compiled=compiled)
    np.testing.assert_allclose(clipped, min(share, 1) * gradient, rtol=1e-9, atol=1e-15)


@FORMS
@pytest.mark.parametrize("clip_norm", [math.inf, 0.01])
def test_gradient_norm_is_that_of_the_last_gradient_before_clipping(clip_norm, compiled):
    examples, parameters = make_examples("cross_entropy", 9, 2, 3), draw_parameters(SMALL)
    recipe = replace(SGD, l1=0.1, l2=0.2, clip_norm=clip_norm)
    first = train(SMALL, recipe, Examples(*(p[:6] for p in examples[:2])), parameters=parameters, compiled=compiled)
    last = Examples(*(part[6:] for part in examples[:2]))
    _, gradient = gradient_of(SMALL, last, first.parameters.copy(), replace(recipe, clip_norm=math.inf))
    options = {"parameters": parameters, "batch_size": 6, "shuffle": False, "compiled": compiled}
    found = train(SMALL, recipe, examples, **options).metric("gradient_norm")
    np.testing.assert_allclose(found, [np.linalg.norm(gradient)], rtol=1e-12)


@FORMS
def test_gradient_norm_is_zero_where_it_was_not_asked_for(compiled):
    descent = make_descent(SMALL, SGD, draw_parameters(SMALL), compiled=compiled)
    block = whole_block(SMALL, make_examples("cross_entropy", 9, 2, 3))
    norms = [make_steps(descent, block, [[0.1]], measures_norm=asked).gradient_norm for asked in (False, True, False)]
    assert norms[0] == norms[2] == 0
    assert norms[1] > 0


@FORMS
def test_a_gradient_of_zero_is_not_clipped_to_nan(compiled):
    architecture = make_architecture((2, 3), loss="squared_error")
    examples = Examples(np.ones((4, 2)), np.zeros((4, 3)))
    recipe = replace(SGD, clip_norm=1.0)
    trained = train(architecture, recipe, examples, parameters=np.zeros(9), compiled=compiled)
    assert trained.metric("gradient_norm") == [0]
    assert not trained.parameters.any()


@FORMS
@pytest.mark.parametrize("loss", LOSSES)
def test_measured_are_the_sums_of_each_block(loss, compiled):
    """The samples of the second block count by themselves; penalties count nowhere."""
    architecture = make_architecture((2, 4, 3), loss=loss)
    examples = make_examples(loss, 300, 2, 3, weighted=True)
    parameters, scale = draw_parameters(architecture), np.array([1.0, 2.0, 3.0])
    descent = make_descent(architecture, replace(SGD, l2=0.5), parameters, compiled=compiled, target_scale=scale)
    costs_found, scores_found = descent.measure(whole_block(architecture, examples))
    network = Network(architecture, parameters, scale)
    _, z = network.forward(examples.inputs.T.copy())
    assessment = network.assess(z, examples.targets.T)
    costs = assessment.costs * examples.weights
    for found, values in ((costs_found, costs), (scores_found, assessment.scores)):
        np.testing.assert_allclose(found, [values[:256].sum(), values[256:].sum()], rtol=1e-12)


@FORMS
def test_measuring_changes_nothing(compiled):
    descent = make_descent(SMALL, replace(SGD, optimizer="adam"), draw_parameters(SMALL), compiled=compiled)
    block = whole_block(SMALL, make_examples("cross_entropy", 300, 2, 3))
    before = [array.tobytes() for array in (descent.parameters, *descent.slots, *block.flat)]
    descent.measure(block), descent.outputs(block.inputs), find_alive(SMALL, descent, block.inputs)
    assert before == [array.tobytes() for array in (descent.parameters, *descent.slots, *block.flat)]


@FORMS
@pytest.mark.parametrize("dtype", DTYPES)
def test_outputs_of_a_sample_do_not_depend_on_those_beside_it(dtype, compiled):
    architecture = make_architecture((5, 17, 3), "gelu")
    descent = make_descent(architecture, SGD, draw_parameters(architecture, 0, dtype), compiled=compiled)
    inputs = make_examples("cross_entropy", 600, 5, 3, dtype=dtype).inputs
    inputs[:300, 2] = 0  # a feature that the first block does not have
    together = descent.outputs(inputs)
    assert together.dtype == dtype
    for rows in (slice(0, 1), slice(254, 258), slice(599, 600), slice(17, 273), slice(0, 0), slice(None, None, -1)):
        assert descent.outputs(inputs[rows]).tobytes() == together[rows].tobytes()


@FORMS
def test_samples_are_those_of_the_rows_in_their_order(compiled):
    """A block of two batches of three, from rows in any order, some of them twice."""
    examples, parameters = make_examples("cross_entropy", 7, 2, 3, weighted=True), draw_parameters(SMALL)
    rows = np.array([6, 0, 6, 2, 5, 1])
    descent = make_descent(SMALL, SGD, parameters, compiled=compiled)
    steps = make_steps(descent, Block(*examples, rows, 3), [[0.5], [0.25]])
    costs = []
    for batch, rate in ((rows[:3], 0.5), (rows[3:], 0.25)):
        cost, gradient = gradient_of(SMALL, Examples(*(part[batch] for part in examples)), parameters)
        parameters = parameters - rate * gradient
        costs.append(cost)
    np.testing.assert_allclose(steps.losses, costs, rtol=1e-13)
    np.testing.assert_allclose(descent.parameters, parameters, rtol=1e-12)


def relu_descent(biases, compiled, loss="squared_error", output_biases=(0, 0)):
    """Return a network 1-4-2 whose hidden units see x plus their bias, and its architecture."""
    architecture = make_architecture((1, 4, 2), "relu", loss)
    parameters = np.array([1.0] * 4 + [0.0] * 8 + [*biases, *output_biases])
    return architecture, make_descent(architecture, SGD, parameters, compiled=compiled)


def share_of_dead(architecture, descent, inputs):
    watched = can_die(architecture)
    alive = find_alive(architecture, descent, np.array(inputs)[:, np.newaxis], watched)
    return np.count_nonzero(~alive) / np.count_nonzero(watched)


@FORMS
def test_dead_are_the_units_that_are_zero_for_every_sample(compiled):
    # x + b > 0 for some x of 0, 1, 2 where b > -2
    for biases, share in (([0, -1.9, -2.0, -5], 0.5), ([0] * 4, 0.0), ([-9] * 4, 1.0)):
        assert share_of_dead(*relu_descent(biases, compiled), [0, 1, 2]) == share


@FORMS
def test_a_sample_of_a_later_block_keeps_a_unit_alive(compiled):
    case = relu_descent([0] * 4, compiled)
    assert share_of_dead(*case, [-1] * 256) == 1
    assert share_of_dead(*case, [-1] * 300) == 1
    assert share_of_dead(*case, [-1] * 299 + [1]) == 0
    assert share_of_dead(*relu_descent([1] * 4, compiled), [-2] * 7) == 1  # no sample of zeros stands behind them


@FORMS
def test_output_units_count_where_their_link_can_die(compiled):
    case = relu_descent([0, -1.9, -2.0, -5], compiled, "relu_squared_error", (-1, 1))
    assert share_of_dead(*case, [0, 2]) == (2 + 1) / (4 + 2)
    assert find_alive(*case, np.zeros((1, 1))).tolist() == [False] * 5 + [True]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_only_units_that_can_die_count(activation):
    architecture = make_architecture((1, 3, 2, 1), ("relu", activation), "squared_error")
    assert can_die(architecture).tolist() == [True] * 3 + [activation == "relu"] * 2 + [False]


def test_no_unit_is_dead_where_none_can_be():
    examples = make_examples("cross_entropy", 9, 2, 3)
    (epoch,) = train(SMALL, SGD, examples, epochs=1)[0]
    assert epoch.metrics["dead_units"] == 0


@FORMS
def test_units_that_are_not_watched_count_as_alive(compiled):
    case = relu_descent([-9] * 4, compiled)
    watched = np.array([True, False, True, False, False, True])
    assert find_alive(*case, [[0.0], [1.0]], watched).tolist() == [False, True, False, True, True, False]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_plain_form_is_quiet_about_branches_that_are_not_taken(activation):
    architecture = make_architecture((1, 1, 1), activation, "binary_cross_entropy", bias=False)
    descent = make_descent(architecture, SGD, np.full(2, 1e4, np.float32))
    block = whole_block(architecture, make_examples("binary_cross_entropy", 9, 1, 1, dtype=np.float32))
    descent.measure(block), descent.outputs(block.inputs), find_alive(architecture, descent, block.inputs)
    make_steps(descent, block, [[0.1]])
