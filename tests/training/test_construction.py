from dataclasses import replace

import numpy as np
import pytest

from configurations import refusal
from parted import split_section
from plainmlp.config.schema import ModelSection
from plainmlp.data.arrays import Column, Description, Part
from plainmlp.data.preparation import fit_preparation
from plainmlp.data.splits import Splits
from plainmlp.nn.architecture import view_layers
from plainmlp.training.construction import (
    build_architecture,
    build_examples,
    build_recipe,
    describe_training,
    draw_parameters,
    weigh_samples,
)
from plainmlp.training.model import load_layers, sealed_layers
from recorded import configuration, splits_of, write_flats


def model(**values: object) -> ModelSection:
    return configuration(**{f"model__{name}": value for name, value in values.items()}).model


def splits(task: str, n_classes: int = 3, n_targets: int = 2) -> Splits:
    """Return twelve rows of three columns, one of them a category of two values."""
    generator = np.random.default_rng(0)
    features = np.column_stack([generator.normal(size=(12, 2)), np.arange(12) % 2])
    classification = task == "classification"
    names = tuple(f"target{number}" for number in range(1 if classification else n_targets))
    columns = (Column("a"), Column("b"), Column("c", ("no", "yes")))
    classes = tuple("xyzuv"[:n_classes]) if classification else ()
    description = Description("rows", task, columns, names, classes)
    targets = np.arange(12) % n_classes if classification else generator.integers(0, 2, (12, n_targets)).astype(float)
    part = Part(features, targets)
    preparation = fit_preparation(part, description, split_section(), "refuse")
    return Splits(part, part, part, description, preparation, "data")


@pytest.mark.parametrize(
    ("task", "loss", "expected", "outputs"),
    [
        ("classification", "auto", "cross_entropy", 3),
        ("regression", "auto", "squared_error", 2),
        ("regression", "absolute_error", "absolute_error", 2),
        ("regression", "relu_squared_error", "relu_squared_error", 2),
        ("multilabel", "auto", "binary_cross_entropy", 2),
    ],
)
def test_architecture_has_a_place_for_each_input_and_output(task, loss, expected, outputs):
    found = build_architecture(splits(task), model(hidden_sizes=[7, 5], activation="tanh", loss=loss))
    assert found.layer_sizes == (4, 7, 5, outputs)  # two numbers, and two values of a category
    assert found.activations == ("tanh", "tanh")
    assert found.loss == expected


def test_two_classes_have_one_output_under_binary_cross_entropy():
    section = model(hidden_sizes=[], loss="binary_cross_entropy", bias=False)
    found = build_architecture(splits("classification", 2), section)
    assert (found.layer_sizes, found.activations, found.bias) == ((4, 1), (), False)
    assert build_architecture(splits("classification", 2), model(hidden_sizes=[])).layer_sizes == (4, 2)


def test_activations_and_options_of_the_loss_are_kept():
    section = model(hidden_sizes=[3, 2], activation=["relu", "elu"], loss={"name": "huber", "threshold": 0.5})
    found = build_architecture(splits("regression"), section)
    assert (found.activations, found.loss_options) == (("relu", "elu"), (("threshold", 0.5),))


@pytest.mark.parametrize(
    ("task", "loss", "allowed"),
    [
        ("classification", "huber", "allowed: cross_entropy, binary_cross_entropy"),
        ("regression", "cross_entropy", "allowed: squared_error, absolute_error, huber, relu_squared_error"),
        ("multilabel", "cross_entropy", "allowed: binary_cross_entropy"),
        ("classification", "binary_cross_entropy", "has 3; use cross_entropy"),
    ],
)
def test_loss_that_does_not_suit_the_task_is_refused(task, loss, allowed):
    line = refusal(build_architecture, splits(task), model(loss=loss))
    assert f"model.loss = '{loss}'" in line
    assert allowed in line


def drawn(seed=0, dtype="float64", **values):
    section = model(**{"hidden_sizes": [6], **values})
    architecture = build_architecture(splits("classification"), section)
    return draw_parameters(architecture, section, seed, dtype), architecture


def test_both_dtypes_start_from_the_same_numbers():
    double, single = drawn()[0], drawn(dtype="float32")[0]
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single, double.astype(np.float32))


def test_seed_decides_the_weights():
    np.testing.assert_array_equal(drawn(3)[0], drawn(3)[0])
    assert (drawn(3)[0] != drawn(4)[0])[:24].all()


def test_auto_initializer_suits_the_activation_behind_each_layer():
    for activation, first in (("relu", "he_normal"), ("tanh", "glorot_uniform"), ("selu", "lecun_normal")):
        auto, architecture = drawn(activation=activation)
        chosen, _ = drawn(activation=activation, initializer=first)
        weights = [view_layers(parameters, architecture).weights for parameters in (auto, chosen)]
        np.testing.assert_array_equal(weights[0][0], weights[1][0])
        assert not np.array_equal(weights[0][1], 0 * weights[0][1])


def test_biases_are_zero_unless_asked_and_never_move_the_weights():
    plain, architecture = drawn()
    moved, _ = drawn(bias_initializer={"name": "normal", "mean": 2, "standard_deviation": 0.1})
    n_weights = architecture.n_weights
    assert not plain[n_weights:].any()
    np.testing.assert_allclose(moved[n_weights:], 2, atol=0.6)
    np.testing.assert_array_equal(plain[:n_weights], moved[:n_weights])
    np.testing.assert_array_equal(drawn(bias=False)[0], plain[:n_weights])


def test_weights_never_move_the_biases():
    biases = {"name": "normal", "mean": 2, "standard_deviation": 0.1}
    found = [drawn(initializer=name, bias_initializer=biases) for name in ("zeros", "he_normal")]
    n_weights = found[0][1].n_weights
    np.testing.assert_array_equal(found[0][0][n_weights:], found[1][0][n_weights:])


def test_warm_start_takes_the_weights_of_a_file(tmp_path):
    start, architecture = drawn(5)
    (tmp_path / "start.safetensors").write_bytes(sealed_layers(start, architecture, {}))
    again, _ = drawn(weights=str(tmp_path / "start.safetensors"), dtype="float32")
    np.testing.assert_array_equal(again, start.astype(np.float32))


@pytest.mark.parametrize(
    ("change", "found"), [({"hidden_sizes": [6, 2]}, "[4, 6, 2, 3]"), ({"bias": False}, "bias False")]
)
def test_warm_start_of_another_shape_is_refused(tmp_path, change, found):
    start, architecture = drawn(**change)
    path = tmp_path / "start.safetensors"
    path.write_bytes(sealed_layers(start, architecture, {}))
    section = model(hidden_sizes=[6], weights=str(path))
    target = build_architecture(splits("classification"), section)
    line = refusal(draw_parameters, target, section, 0, "float32")
    assert line.startswith(f"model.weights = '{path}' holds")
    assert found in line
    assert line.endswith("this network has [4, 6, 3], bias True")
    assert load_layers(path)[0].size == start.size


def weighed(class_weights, weights=None, targets=(0, 0, 0, 1), n_classes=2, task="classification"):
    part = Part(np.zeros((len(targets), 1)), np.array(targets), None if weights is None else np.array(weights))
    description = Description("rows", task, (Column("a"),), ("t",), tuple("xyz"[:n_classes]))
    training = configuration(training__class_weights=class_weights).training
    return weigh_samples(part, description, training)


def test_samples_count_the_same_unless_asked():
    assert weighed(None) is None


def test_weights_have_a_mean_of_1():
    np.testing.assert_allclose(weighed(None, [1, 2, 3, 6.0]), [1 / 3, 2 / 3, 1, 2])
    np.testing.assert_allclose(weighed([1.0, 5.0]), [0.5, 0.5, 0.5, 2.5])
    np.testing.assert_allclose(weighed("balanced"), [2 / 3, 2 / 3, 2 / 3, 2])
    np.testing.assert_allclose(weighed("balanced", n_classes=3), [2 / 3, 2 / 3, 2 / 3, 2])  # one class has no sample


def test_weights_of_samples_and_classes_multiply():
    found = weighed([1.0, 2.0], [4.0, 2.0, 1.0, 1.0])
    np.testing.assert_allclose(found, np.array([4, 2, 1, 2]) / 2.25)


def test_wrong_class_weights_are_refused():
    assert "has 3 numbers; allowed: one for each of 2 classes" in refusal(weighed, [1.0, 1.0, 1.0])
    assert "only for classifications" in refusal(weighed, "balanced", None, (0, 1), 0, "regression")


def test_part_in_which_no_sample_counts_is_refused():
    assert "every row of the train part has the weight 0" in refusal(weighed, None, [0.0, 0.0, 0.0, 0.0])


def test_examples_are_what_the_loss_takes():
    two = splits("classification", 2)
    for loss, shape, kind in (("auto", (12,), "i"), ("binary_cross_entropy", (12, 1), "f")):
        architecture = build_architecture(two, model(hidden_sizes=[], loss=loss))
        examples = build_examples(two.train, two.preparation, architecture, "float32")
        assert (examples.inputs.shape, examples.inputs.dtype) == ((12, 4), np.float32)
        assert (examples.targets.shape, examples.targets.dtype.kind) == (shape, kind)
        np.testing.assert_array_equal(examples.targets.ravel(), two.train.targets)


def test_weights_of_samples_reach_the_examples():
    two = splits("classification", 2)
    architecture = build_architecture(two, model(hidden_sizes=[]))
    part = replace(two.train, weights=np.arange(12.0))
    np.testing.assert_array_equal(build_examples(part, two.preparation, architecture, "float64").weights, np.arange(12))


def test_recipe_is_what_the_configuration_says():
    config = configuration(
        seed=3,
        model__l1=0.1,
        model__l2=0.2,
        model__dropout=0.3,
        optimizer__schedule={"name": "step", "factor": 0.5},
        optimizer__beta1=0.8,
        training__patience=4,
        training__minimum_improvement=0.01,
        training__monitor="validation_accuracy",
    )
    recipe = build_recipe(config.seed, config.model, config.optimizer, config.training)
    assert (recipe.seed, recipe.l1, recipe.l2, recipe.dropout) == (3, 0.1, 0.2, 0.3)
    assert (recipe.optimizer, recipe.learning_rate, recipe.optimizer_options["beta1"]) == ("adam", 0.001, 0.8)
    assert (recipe.schedule, recipe.schedule_options["factor"]) == ("step", 0.5)
    assert (recipe.patience, recipe.monitor, recipe.minimum_improvement) == (4, "validation_accuracy", 0.01)
    assert recipe.clip_norm == float("inf")
    clipped = configuration(optimizer__clip_norm=2.5)
    assert build_recipe(0, clipped.model, clipped.optimizer, clipped.training).clip_norm == 2.5


def test_table_with_categories_has_an_input_for_each_value(tmp_path):
    write_flats(tmp_path / "flats.csv")
    values = {"name": "table", "path": str(tmp_path / "flats.csv"), "target": "price", "missing": "mean"}
    config = configuration(**{f"dataset__{name}": value for name, value in values.items()}, model__hidden_sizes=[2])
    assert build_architecture(splits_of(config), config.model).layer_sizes == (3 + 3 + 2, 2, 1)


def test_what_is_trained_is_said_in_one_line():
    config = configuration(model__hidden_sizes=[16, 8], model__activation=["relu", "tanh"])
    assert describe_training(splits_of(config), config) == (
        "training: rows train 1,257, validation 270, test 270; 64 inputs > 16 relu > 8 tanh > 10 outputs; "
        "1,266 parameters, cross_entropy, adam"
    )
