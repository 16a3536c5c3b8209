from dataclasses import replace

import numpy as np
import pytest

from nn.networks import make_architecture, make_examples, make_network, metric, train
from plainmlp.nn import scoring
from plainmlp.nn.batches import Examples
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.recipe import Recipe

SGD = Recipe(optimizer="sgd", learning_rate=1.0)


def test_metrics_of_a_part_are_those_of_its_outputs():
    """Training metrics count each sample once, though the last batch is smaller; validation is after the epoch."""
    network = make_network(make_architecture((2, 4, 3)))
    examples, validation = make_examples("cross_entropy", 7, 2, 3), make_examples("cross_entropy", 9, 2, 3, seed=1)
    before = (network.outputs(examples.inputs)[0].argmax(axis=1) == examples.targets).mean()
    still = replace(SGD, learning_rate=1e-300)
    (epoch,) = train(network, [still], examples, validation, batch_size=4)
    assert epoch.metrics["train_accuracy"] == [before]
    (epoch,) = train(network, [replace(SGD, learning_rate=0.5, l2=1.0)], examples, validation, batch_size=4)
    outputs = network.outputs(validation.inputs)[0]
    picked = outputs[np.arange(9), validation.targets]
    np.testing.assert_allclose(epoch.metrics["validation_loss"], [-np.log(picked).mean()], rtol=1e-14)
    np.testing.assert_allclose(
        epoch.metrics["validation_accuracy"], [(outputs.argmax(axis=1) == validation.targets).mean()], rtol=1e-15
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "huber"])
def test_validation_in_several_passes_counts_each_sample_once(loss, monkeypatch):
    validation, found = make_examples(loss, 9, 2, 3, seed=1, weighted=True), []
    for rows in (1024, 4, 1):
        monkeypatch.setattr(scoring, "inference_rows", lambda network, rows=rows: rows)
        network = make_network(make_architecture((2, 4, 3), loss=loss))
        (epoch,) = train(network, [SGD], make_examples(loss, 7, 2, 3), validation)
        found.append([float(epoch.metrics[f"validation_{name}"][0]) for name in ("loss", LOSSES[loss].metric)])
    np.testing.assert_allclose(found[1:], [found[0]] * 2, rtol=1e-13)


def test_target_scale_gives_metrics_the_units_of_the_targets_and_changes_nothing_else():
    examples = make_examples("squared_error", 10, 2, 2)
    plain, scaled = (make_network(make_architecture((2, 4, 2), loss="squared_error")) for _ in range(2))
    options = {"epochs": 2, "batch_size": 4}
    without = train(plain, [SGD], examples, examples, **options)
    with_scale = train(scaled, [SGD], examples, examples, target_scale=np.array([3.0, 3.0]), **options)
    assert plain.parameters.tobytes() == scaled.parameters.tobytes()
    for name, factor in {"train_loss": 1, "train_mean_squared_error": 9, "validation_mean_squared_error": 9}.items():
        np.testing.assert_allclose(metric(with_scale, name), factor * np.array(metric(without, name)), rtol=1e-14)


def test_sample_weights_are_as_good_as_repetitions():
    examples = make_examples("cross_entropy", 4, 2, 3)
    repeated = Examples(*(np.repeat(part, [1, 2, 3, 2], axis=0) for part in examples[:2]))
    weighted = examples._replace(weights=np.array([1, 2, 3, 2]) / 2)  # a mean of 1
    first, second = (make_network(make_architecture((2, 4, 3))) for _ in range(2))
    a, b = train(first, [SGD], repeated, epochs=3), train(second, [SGD], weighted, epochs=3)
    np.testing.assert_allclose(first.parameters, second.parameters, rtol=1e-13)
    np.testing.assert_allclose(metric(a, "train_loss"), metric(b, "train_loss"), rtol=1e-13)
