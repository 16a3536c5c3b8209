import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load, save_file

from configurations import refusal
from plainmlp.nn.architecture import Architecture
from plainmlp.training.model import Model, load_layers, sealed_layers
from plainmlp.training.train import train
from recorded import configuration, splits_of, write_flats

TINY = Architecture((2, 2, 1), ("tanh",), "huber", (("threshold", 1e-05),))
PARAMETERS = np.array([0.5, -1.5, 2.0, 0.25, -0.0, 3.0, 1e-30, 7.0, -2.0], dtype=np.float32)
RECORD = {"name": "Größe", "small": 1e-05, "none": None}


def tiny(folder: Path) -> Path:
    (folder / "tiny.safetensors").write_bytes(sealed_layers(PARAMETERS, TINY, RECORD))
    return folder / "tiny.safetensors"


def trained(folder: Path, target: str, **values: object) -> tuple[Model, pd.DataFrame]:
    """Return a model of the flats, and the raw features of its test part as a table."""
    write_flats(folder / "flats.csv")
    table = {"dataset__name": "table", "dataset__path": str(folder / "flats.csv"), "dataset__target": target}
    config = configuration(
        **{**table, "dataset__missing": "mean", "model__hidden_sizes": [4], "training__epochs": 2, **values}
    )
    splits = splits_of(config)
    model = train(splits, 0, config.model, config.optimizer, config.training).model
    return model, splits.preparation.to_frame(splits.test.features)


@pytest.fixture(scope="module", params=["kind", "price"])
def model_and_table(request, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("flats"), request.param, training__dtype="float64")


def test_model_reads_back_as_it_was(model_and_table, tmp_path):
    model, table = model_and_table
    model.save(tmp_path / "model.safetensors")
    read = Model.load(tmp_path / "model.safetensors")
    assert read.architecture == model.architecture
    assert read.description == model.description
    assert read.parameters.dtype == np.float64
    assert read.parameters.tobytes() == model.parameters.tobytes()
    assert read.initial_digest == model.initial_digest != ""
    assert read.weights_digest == model.weights_digest == hashlib.sha256(model.parameters.tobytes()).hexdigest()
    pd.testing.assert_frame_equal(read.predict_frame(table), model.predict_frame(table), check_exact=True)


def test_model_is_written_with_the_same_bytes(model_and_table, tmp_path):
    model, _ = model_and_table
    for name in ("a", "b"):
        model.save(tmp_path / name)
    Model.load(tmp_path / "a").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_file_holds_nothing_of_code_that_the_training_does_not_run(model_and_table, tmp_path):
    model, _ = model_and_table
    model.save(tmp_path / "model")
    assert load_layers(tmp_path / "model")[1].keys() == {"architecture", "preparation", "description", "initial_digest"}


def test_columns_may_come_in_any_order_and_with_others(model_and_table):
    model, table = model_and_table
    mixed = table.assign(remark="x")[[*reversed(table.columns), "remark"]]
    pd.testing.assert_frame_equal(model.predict_frame(mixed), model.predict_frame(table), check_exact=True)


def test_the_network_that_a_model_keeps_changes_no_bit(model_and_table, tmp_path):
    """Another model, another form, another thread and a copy have theirs, and give the same answers."""
    model, table = model_and_table
    rows = model.preparation.from_frame(table)
    first, plain = model.predict(rows), model.predict(rows, compiled=False)
    other = replace(model, parameters=2 * model.parameters)
    assert (other.predict(rows) != first).any()
    many = [np.roll(np.tile(rows, (500, 1)), shift, axis=0) for shift in range(4)]
    alone = [model.predict(each).tobytes() for each in many]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda each: model.predict(each).tobytes(), many * 10))
    for found in (plain, model.predict(rows), pickle.loads(pickle.dumps(model)).predict(rows)):
        assert found.tobytes() == first.tobytes()
    assert answers == alone * 10


def test_classification_names_its_classes(tmp_path):
    model, table = trained(tmp_path, "kind")
    answers = model.predict_frame(table)
    assert list(answers.columns) == ["predicted", "probability_gross", "probability_klein"]
    assert set(answers["predicted"]) <= {"gross", "klein"}
    np.testing.assert_allclose(answers.filter(like="probability").sum(axis=1), 1, rtol=1e-6)
    likelier = np.where(answers["probability_gross"] >= answers["probability_klein"], "gross", "klein")
    assert (answers["predicted"] == likelier).all()


def test_probability_of_the_second_class_alone_is_widened_to_both(tmp_path):
    model, table = trained(tmp_path, "kind", model__loss="binary_cross_entropy", training__epochs=60)
    assert model.architecture.layer_sizes[-1] == 1
    answers = model.predict_frame(table)
    np.testing.assert_array_equal(answers["probability_gross"], 1 - answers["probability_klein"])
    assert (answers["predicted"] == np.where(answers["probability_klein"] > 0.5, "klein", "gross")).all()
    assert ((table["area"] <= 80) == (answers["predicted"] == "klein"))[table["area"].notna()].mean() > 0.8


def test_one_output_for_three_classes_is_refused(tmp_path):
    model, _ = trained(tmp_path, "kind", model__loss="binary_cross_entropy")
    three = replace(model.description, class_names=("gross", "klein", "winzig"))
    replace(model, description=three).save(tmp_path / "model")
    assert refusal(Model.load, tmp_path / "model").endswith("(the network does not fit its data)")


def test_regression_answers_in_the_units_of_the_target(tmp_path):
    model, table = trained(tmp_path, "price", training__epochs=60)
    answers = model.predict_frame(table)
    assert list(answers.columns) == ["predicted_price"]
    assert 300_000 < answers["predicted_price"].mean() < 1_200_000


def test_weights_are_in_the_file_under_their_layers(tmp_path):
    tensors = load(tiny(tmp_path).read_bytes())
    assert tensors["layers.0.weight"].tolist() == [[0.5, 2.0], [-1.5, 0.25]]  # a row an output
    assert tensors["layers.1.weight"].tolist() == [[0.0, 3.0]]
    assert tensors["layers.0.bias"].tolist() == [np.float32(1e-30), 7.0]
    assert tensors["layers.1.bias"].tolist() == [-2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_layers_read_back_as_they_were(tmp_path, dtype, bias):
    architecture = Architecture((2, 2, 1), ("tanh",), "huber", (("threshold", 1e-05),), bias)
    parameters = PARAMETERS[: architecture.n_parameters].astype(dtype)
    (tmp_path / "w").write_bytes(sealed_layers(parameters, architecture, RECORD))
    read, record = load_layers(tmp_path / "w")
    assert (read.dtype, read.tobytes()) == (parameters.dtype, parameters.tobytes())
    assert {name: record[name] for name in RECORD} == RECORD


@pytest.mark.slow
def test_one_altered_bit_anywhere_is_noticed(tmp_path):
    content = bytearray(tiny(tmp_path).read_bytes())
    altered = tmp_path / "altered.safetensors"
    for position in range(len(content)):
        for bit in range(8):
            content[position] ^= 1 << bit
            altered.write_bytes(content)
            assert str(altered) in refusal(load_layers, altered)
            content[position] ^= 1 << bit


def test_file_cut_short_or_grown_is_noticed(tmp_path):
    content = tiny(tmp_path).read_bytes()
    altered = tmp_path / "altered.safetensors"
    for length in range(len(content)):
        altered.write_bytes(content[:length])
        assert str(altered) in refusal(load_layers, altered)
    altered.write_bytes(content + b"\0")
    assert str(altered) in refusal(load_layers, altered)


def test_missing_file_is_named(tmp_path):
    assert refusal(load_layers, tmp_path / "none") == f"{tmp_path / 'none'}: cannot be read (No such file or directory)"


def test_folder_in_place_of_a_file_is_refused(tmp_path):
    assert str(tmp_path) in refusal(load_layers, tmp_path)


@pytest.mark.parametrize(
    "metadata", [None, {"format": "pt"}, {"plainmlp": "{}"}, {"plainmlp": "[1]"}, {"plainmlp": "x"}]
)
def test_file_of_another_program_is_refused(tmp_path, metadata):
    save_file({"layers.0.weight": np.ones((1, 2))}, tmp_path / "foreign", metadata)
    line = refusal(load_layers, tmp_path / "foreign")
    assert "is damaged, or not a weights file of plainmlp" in line


def test_weights_alone_are_no_model(tmp_path):
    assert refusal(Model.load, tiny(tmp_path)).endswith("holds only weights, and no model")


def test_interrupted_save_leaves_the_earlier_file(tmp_path, model_and_table):
    path = tiny(tmp_path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        replace(model_and_table[0], initial_digest=object()).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
