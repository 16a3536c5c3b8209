"""The training of a network in the hands of another library, beside ours."""

import numpy as np
import pytest

from configurations import refusal
from plainmlp.system.errors import TrainingError
from plainmlp.training.backends.table import BACKENDS
from plainmlp.training.train import train
from recorded import configuration, splits_of

SMALL = {
    "model__hidden_sizes": [8],
    "model__activation": "tanh",
    "training__epochs": 4,
    "training__max_steps": 150,  # in the middle of the fourth
    "training__dtype": "float64",
    "training__loss_every": 7,
    "optimizer__schedule": "cosine",
}
ALL_BACKENDS = [pytest.param(name, id=name) for name in BACKENDS]


@pytest.fixture(scope="module")
def digits():
    return splits_of(configuration())


def trained(splits, backend, watchers=(), **changes):
    config = configuration(**(SMALL | changes))
    return train(
        splits, config.seed, config.model, config.optimizer, config.training, watchers=watchers, backend=backend
    )


def need(backend):
    pytest.importorskip(BACKENDS[backend].library, reason=f"{backend} is an optional extra")


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_a_backend_ends_where_ours_ends_with_the_same_curves(backend, digits):
    need(backend)
    ours, theirs = trained(digits, "numpy", model__l2=1e-3), trained(digits, backend, model__l2=1e-3)
    assert list(theirs.history) == list(ours.history)
    for name, values in ours.history.items():
        assert theirs.history[name] == pytest.approx(values, rel=1e-7), name
    assert list(theirs.steps) == ["step", "loss", "accuracy"]
    for name, values in ours.steps.items():
        assert theirs.steps[name] == pytest.approx(values, rel=1e-7), name
    assert np.allclose(theirs.model.parameters, ours.model.parameters, rtol=1e-6, atol=1e-8)
    assert theirs.digests == ("",) * 4
    assert theirs.model.initial_digest == ""


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_a_backend_keeps_the_dtype_and_the_best_parameters(backend, digits):
    need(backend)
    same = {"training__dtype": "float32", "optimizer__schedule": "constant"}
    waiting = {"training__patience": 1, "training__minimum_improvement": 10.0, "training__epochs": 5}
    stopped = trained(digits, backend, **same, **waiting)
    assert stopped.model.parameters.dtype == np.float32
    assert len(stopped.history["train_loss"]) == 2  # the second epoch does not improve by 10
    first = trained(digits, backend, **same, training__epochs=1)
    assert stopped.history["train_loss"][0] == first.history["train_loss"][0]
    assert np.array_equal(stopped.model.parameters, first.model.parameters)


def test_watchers_follow_a_backend(digits):
    seen = []
    history = trained(digits, "sklearn", [lambda epoch, metrics: seen.append((epoch, metrics["train_loss"]))]).history
    assert seen == list(enumerate(history["train_loss"]))


def test_a_loss_that_is_not_finite_ends_the_training_where_it_ends_ours(digits):
    optimizer = {"name": "sgd", "learning_rate": 30.0, "schedule": "constant", "clip_norm": None}
    lines = []
    for backend in ("numpy", "sklearn"):
        with pytest.raises(TrainingError) as caught:  # each step takes 30 times the weights off
            trained(digits, backend, optimizer=optimizer, model__l2=1.0, training__epochs=20)
        lines.append(str(caught.value))
    assert lines[0] == lines[1]
    assert "in epoch 0" not in lines[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model__activation": "gelu"}, "model.activation='gelu'"),
        ({"model__activation": ["relu", "tanh"], "model__hidden_sizes": [4, 4]}, "one for all layers"),
        ({"model__bias": False}, "model.bias=false"),
        ({"model__l1": 0.1}, "model.l1=0.1"),
        ({"model__dropout": 0.5}, "model.dropout=0.5"),
        ({"optimizer__clip_norm": 1.0}, "optimizer.clip_norm=1.0"),
        ({"training__class_weights": "balanced"}, "weights"),
        ({"optimizer": {"name": "nadam", "learning_rate": 0.1, "schedule": "constant", "clip_norm": None}}, "'nadam'"),
        (
            {"optimizer": {"name": "momentum", "learning_rate": 0.1, "schedule": "cosine", "clip_norm": None}},
            "optimizer.schedule with momentum='cosine'",
        ),
    ],
)
def test_what_scikit_learn_cannot_do_is_refused_in_one_line(changes, words, digits):
    line = refusal(lambda: trained(digits, "sklearn", **changes))
    assert words in line
    assert "backend=sklearn" in line


def test_a_missing_library_is_refused_with_the_line_that_installs_it(digits, monkeypatch):
    monkeypatch.setitem(BACKENDS, "torch", BACKENDS["torch"]._replace(library="no_such_library"))
    assert "pip install -e '.[torch]'" in refusal(lambda: trained(digits, "torch"))
