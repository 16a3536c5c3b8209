import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plainmlp.composition.compose import compose, parse
from plainmlp.config.code import PACKAGE
from plainmlp.config.schema import Config
from plainmlp.evaluation.evaluate import evaluate
from plainmlp.nn.network import Network
from plainmlp.system.errors import TrainingError
from plainmlp.training.train import train, train_configured
from recorded import configuration, splits_of, write_flats

ROOT = Path(__file__).resolve().parents[2]
MNIST = ROOT / ".." / "shared" / "data" / "mnist-8k"
SMALL = {"model__hidden_sizes": [8], "training__epochs": 3}


def trained(config: Config, **named):
    return train(splits_of(config), config.seed, config.model, config.optimizer, config.training, **named)


def composed(*overrides: str) -> Config:
    return parse(compose(ROOT / "conf", overrides))


def measured(config: Config) -> dict[str, float]:
    splits = splits_of(config)
    model = train(splits, config.seed, config.model, config.optimizer, config.training).model
    return evaluate(model, splits, config.seed).metrics["test"]


@pytest.fixture(scope="module")
def digits():
    return splits_of(configuration())


def test_digits_are_read_well_with_the_default_configuration(digits):
    config = configuration()
    model = train(digits, config.seed, config.model, config.optimizer, config.training).model
    assert evaluate(model, digits, 0).metrics["test"]["accuracy"] >= 0.97


def test_from_a_script_to_a_gradient_a_reader_opens_four_files(digits, monkeypatch):
    class ReachedError(Exception):
        pass

    def reach(*_):
        raise ReachedError

    monkeypatch.setattr(Network, "differentiate", reach)
    with pytest.raises(ReachedError) as reached:
        train_configured(configuration(training__compiled=False), digits)
    paths = (Path(entry.path) for entry in reached.traceback)
    files = dict.fromkeys(f"{path.parent.name}/{path.name}" for path in paths if path.is_relative_to(PACKAGE))
    assert list(files) == ["training/train.py", "nn/training.py", "nn/descent.py"]


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="shared/data/mnist-8k is not beside the repository")
def test_mnist_is_read_well():
    config = composed("experiment=mnist", f"dataset.path={MNIST.resolve()}")
    assert measured(config)["accuracy"] >= 0.95


def test_sine_and_cosine_are_met():
    assert measured(composed("experiment=sincos", "training.epochs=3"))["r2"] > 0.9


def test_prices_of_flats_are_estimated(tmp_path):
    write_flats(tmp_path / "flats.csv")
    table = {"dataset__name": "table", "dataset__path": str(tmp_path / "flats.csv"), "dataset__target": "price"}
    found = measured(configuration(**table, dataset__missing="mean", training__epochs=100, model__hidden_sizes=[16]))
    assert found["r2"] > 0.6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_inputs_give_the_same_bits(digits, dtype):
    config = configuration(**SMALL, training__dtype=dtype, model__dropout=0.2)
    pair = [train(digits, 3, config.model, config.optimizer, config.training) for _ in range(2)]
    assert pair[0].model.weights_digest == pair[1].model.weights_digest
    assert pair[0].history == pair[1].history
    assert pair[0].model.parameters.dtype == dtype
    other = train(digits, 4, config.model, config.optimizer, config.training)
    assert other.model.weights_digest != pair[0].model.weights_digest
    parameters = np.ascontiguousarray(pair[0].model.parameters)
    assert hashlib.sha256(parameters.tobytes()).hexdigest() == pair[0].model.weights_digest


def test_history_has_a_value_an_epoch_and_watchers_see_each(digits):
    seen = []
    config = configuration(**SMALL)
    watch = lambda epoch, metrics: seen.append((epoch, dict(metrics)))  # noqa: E731
    history = train(digits, 0, config.model, config.optimizer, config.training, watchers=[watch, watch]).history
    assert [epoch for epoch, _ in seen] == [0, 0, 1, 1, 2, 2]
    assert {name: [metrics[name] for _, metrics in seen[::2]] for name in history} == history
    names = {"train_loss", "validation_loss", "train_accuracy", "validation_accuracy", "gradient_norm", "dead_units"}
    assert names <= history.keys()
    assert history["learning_rate"] == [0.001] * 3


def test_each_state_has_a_digest_from_the_first_on(digits):
    config = configuration(**SMALL)
    first, second, other = (train(digits, seed, *sections_of(config)) for seed in (0, 0, 1))
    digests = (first.model.initial_digest, *first.digests)
    assert [len(digest) for digest in digests] == [64] * 4
    assert digests == (second.model.initial_digest, *second.digests)
    assert not {*digests} & {other.model.initial_digest, *other.digests}


def sections_of(config):
    return config.model, config.optimizer, config.training


@pytest.mark.parametrize(("every", "digested"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3, 4]), (3, [2, 4]), (9, [4])])
def test_every_nth_epoch_and_the_last_are_digested_alike_whatever_n_is(digits, every, digested):
    config = configuration(model__hidden_sizes=[8], training__epochs=5, training__digest_every=every)
    found = train(digits, 0, *sections_of(config))
    whole = train(digits, 0, *sections_of(configuration(model__hidden_sizes=[8], training__epochs=5)))
    assert {epoch: digest for epoch, digest in enumerate(found.digests) if digest} == {
        epoch: whole.digests[epoch] for epoch in digested
    }
    assert found.model.weights_digest == whole.model.weights_digest


def test_the_last_epoch_is_digested_where_the_training_stops_early(digits):
    values = {"model__hidden_sizes": [8], "optimizer__learning_rate": 0.1, "training__patience": 2}
    found = train(digits, 0, *sections_of(configuration(**values, training__digest_every=1000)))
    assert [bool(digest) for digest in found.digests] == [False] * (len(found.history["train_loss"]) - 1) + [True]


@pytest.mark.parametrize("every", [1, 7, 1000])
def test_steps_are_kept_by_their_numbers(digits, every):
    config = configuration(**SMALL, training__loss_every=every, training__max_steps=100)
    found = train(digits, 0, *sections_of(config))
    whole = train(digits, 0, *sections_of(configuration(**SMALL, training__loss_every=1, training__max_steps=100)))
    assert list(found.steps) == ["step", "loss", "accuracy"]
    assert {name: values[::every] for name, values in whole.steps.items()} == found.steps
    assert whole.steps["step"] == list(range(100))
    sizes = [32] * 39 + [9]  # of 1,257 samples
    assert np.mean(whole.steps["loss"][:40]) == pytest.approx(found.history["train_loss"][0], rel=1e-12)
    assert np.average(whole.steps["accuracy"][40:80], weights=sizes) == pytest.approx(
        found.history["train_accuracy"][1], rel=1e-12
    )
    silent = train(digits, 0, *sections_of(configuration(**SMALL, training__max_steps=100)))
    assert silent.steps == {}
    assert silent.model.weights_digest == found.model.weights_digest


def test_training_without_validation_part_has_no_validation_metrics():
    config = configuration(**SMALL, split__validation=0, training__monitor="train_loss")
    assert not [name for name in trained(config).history if name.startswith("validation")]


def test_schedule_of_the_configuration_is_followed(digits):
    schedule = {"name": "exponential", "factor": 0.5}
    config = configuration(**SMALL, optimizer__schedule=schedule)
    rates = train(digits, 0, config.model, config.optimizer, config.training).history["learning_rate"]
    assert rates == pytest.approx([0.001, 0.0005, 0.00025])


def test_early_stopping_keeps_the_best_weights(digits):
    patience = configuration(model__hidden_sizes=[8], optimizer__learning_rate=0.1, training__patience=2)
    found = train(digits, 0, patience.model, patience.optimizer, patience.training)
    losses = found.history["validation_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < patience.training.epochs
    whole = patience.training.model_copy(update={"patience": None, "epochs": best + 1})
    again = train(digits, 0, patience.model, patience.optimizer, whole)
    assert again.model.weights_digest == found.model.weights_digest


def test_diverging_training_names_epoch_step_and_rate(digits):
    config = configuration(
        **SMALL, optimizer={"name": "sgd", "learning_rate": 1e12, "schedule": "constant", "clip_norm": None}
    )
    seen = []
    with pytest.raises(TrainingError, match=r"epoch 0, step \d+, with the learning rate 1e\+12"):
        train(digits, 0, config.model, config.optimizer, config.training, watchers=[lambda *epoch: seen.append(epoch)])
    assert seen == []


def test_class_weights_move_the_answers(digits):
    heavy = [50.0, *[1.0] * 9]
    zeros = []
    for weights in (None, heavy):
        config = configuration(**SMALL, training__class_weights=weights)
        model = train(digits, 0, config.model, config.optimizer, config.training).model
        zeros.append((model.predict(digits.test.features).argmax(axis=1) == 0).sum())
    assert zeros[1] > zeros[0]


def test_full_batch_takes_one_step_an_epoch(digits):
    one_step = {"name": "sgd", "learning_rate": 0.1, "schedule": "constant", "clip_norm": None}
    values = {"model__hidden_sizes": [8], "training__epochs": 1, "training__shuffle": False, "optimizer": one_step}
    digests = set()
    for size in ("full", len(digits.train)):
        config = configuration(**values, training__batch_size=size)
        digests.add(train(digits, 0, config.model, config.optimizer, config.training).model.weights_digest)
    assert len(digests) == 1


# sets the bits "flush to zero" and "denormals are zero" of the processor, as a library built with -ffast-math does
FLUSHING = """
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

@intrinsic
def load_control(typing, address):
    def emit(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type])
        builder.call(ir.Function(builder.module, kind, "llvm.x86.sse.ldmxcsr"), [pointer])
        return context.get_dummy_value()
    return types.void(types.intp), emit

@njit
def flush(address):
    load_control(address)

from plainmlp.nn.arithmetic import keeps_subnormals
assert keeps_subnormals()
control = np.array([0x9FC0], np.uint32)
flush(control.ctypes.data)
assert not keeps_subnormals()
from plainmlp.system.errors import InputError
from plainmlp.training.train import _check_subnormals
try:
    _check_subnormals()
except InputError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the register that is set is one of x86-64")
def test_a_process_without_subnormal_numbers_is_refused():
    command = [sys.executable, "-c", FLUSHING]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False
    )
    assert ended.stdout.startswith("this process turns numbers below 1e-38 into zeros"), ended.stderr
