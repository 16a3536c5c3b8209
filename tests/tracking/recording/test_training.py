"""A run that two processes write: training, then evaluation, as the stages of DVC do."""

import json
from dataclasses import asdict, replace

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import Dataset
from mlflow.types.schema import Schema

from configurations import refusal
from databases import new_database
from plainmlp.config.places import Places
from plainmlp.data.storage import digest_arrays
from plainmlp.system.files import write_json
from plainmlp.tracking.datasets import data_inputs
from plainmlp.tracking.recording.page import data_name
from plainmlp.tracking.recording.training import (
    NOTE,
    continue_run,
    forget_run,
    point_of,
    publish_training,
    remember_run,
    start_run,
)
from plainmlp.training.history import write_history
from plainmlp.training.model import Trained
from plainmlp.training.train import train
from recorded import configuration, splits_of

SMALL = {"dataset__name": "sincos", "dataset__n_samples": 30, "model__hidden_sizes": [3], "training__epochs": 2}


@pytest.fixture(scope="module")
def config(address):
    return configuration(**SMALL, split__test=30, tracking={"uri": address, "experiment": "two processes"})


@pytest.fixture(scope="module")
def splits(config):
    return splits_of(config)


@pytest.fixture(scope="module")
def trained(config, splits) -> Trained:
    return train(splits, config.seed, config.model, config.optimizer, config.training)


@pytest.fixture
def places(tmp_path, trained) -> Places:
    places = Places(tmp_path)
    trained.model.save(places.model)
    write_history(places.history, trained.history, trained.digests)
    return places


@pytest.fixture
def first(config, splits, tmp_path, places, trained):
    run = start_run(config, splits, tmp_path)
    with run.closing():
        run.log_history(trained.history)
        publish_training(run, places, trained.model)
    remember_run(run, tmp_path)
    return run


def read(config, run):
    return MlflowClient(config.tracking.uri).get_run(run.run_id)


def test_evaluation_adds_to_the_run_of_the_training(config, splits, tmp_path, places, trained, first):
    second = continue_run(config, splits, tmp_path, places, trained)
    assert second.run_id == first.run_id
    with second.closing():
        second.log_results({"test_r2": 0.5}, {})
    found = read(config, second)
    assert found.info.status == "FINISHED"
    assert found.data.metrics["test_r2"] == 0.5
    assert found.data.tags["weights_digest"] == trained.model.weights_digest
    assert "training_restored" not in found.data.tags


def test_training_from_the_cache_is_recorded_from_its_files(config, splits, tmp_path, places, trained):
    run = continue_run(config, splits, tmp_path, places, trained)
    with run.closing():
        pass
    points = MlflowClient(config.tracking.uri).get_metric_history(run.run_id, "train_loss")
    assert sorted((point.step, point.value) for point in points) == list(enumerate(trained.history["train_loss"]))
    assert read(config, run).data.tags["weights_digest"] == trained.model.weights_digest
    kept = {file.path for file in MlflowClient(config.tracking.uri).list_artifacts(run.run_id)}
    assert kept == {"model.safetensors", "config.yaml", "history.csv", "provenance", "manifest.json"}
    assert read(config, run).data.tags["training_restored"] == "true"


def test_forgotten_run_is_not_written_again(config, splits, tmp_path, places, trained, first):
    forget_run(tmp_path)
    forget_run(tmp_path)  # nothing to forget
    assert continue_run(config, splits, tmp_path, places, trained).run_id != first.run_id


def test_run_of_another_point_is_not_continued(config, splits, tmp_path, places, trained, first):
    other = config.model_copy(update={"seed": 7})
    assert continue_run(other, splits, tmp_path, places, trained).run_id != first.run_id


def test_run_in_another_store_is_not_continued(config, splits, tmp_path, places, trained, first):
    write_json(tmp_path / NOTE, asdict(replace(first.header, address="sqlite:///elsewhere.db")))
    assert continue_run(config, splits, tmp_path, places, trained).run_id != first.run_id


def test_damaged_note_is_named(config, splits, tmp_path, places, trained, first):
    (tmp_path / NOTE).write_text("{")
    assert str(tmp_path / NOTE) in refusal(continue_run, config, splits, tmp_path, places, trained)


def test_data_of_the_run_are_its_parts(config, splits, first):
    used = {each.tags[0].value: each.dataset for each in read(config, first).inputs.dataset_inputs}
    parts = dict(zip(("training", "validation", "test"), splits.parts().values(), strict=True))
    assert used.keys() == parts.keys()
    for context, part in parts.items():
        assert used[context].name == data_name(config.dataset)
        assert digest_arrays(part.features, part.targets).startswith(used[context].digest)
        assert json.loads(used[context].profile) == {"num_rows": len(part)}


def test_data_have_types_and_a_source_that_mlflow_reads(splits):
    sources = {
        "local": configuration(dataset__name="table", dataset__path="a/b.csv", dataset__target="y").dataset,
        "http": configuration(dataset__name="openml", dataset__data_id=61).dataset,
        "code": configuration().dataset,
    }
    for kind, dataset in sources.items():
        part = data_inputs(dataset, splits)[0]
        entity = Dataset(part["name"], part["digest"], part["kind"], json.dumps(part["source"]))
        assert mlflow.data.get_source(entity).to_dict() == part["source"]
        assert part["kind"] == kind
    columns = data_inputs(sources["code"], splits)[0]["columns"]
    assert [(each["type"], each["name"]) for each in columns] == [("double", "x"), ("double", "sin"), ("double", "cos")]
    assert Schema.from_json(json.dumps(columns)).input_names() == ["x", "sin", "cos"]


def test_point_depends_on_configuration_data_and_start_but_on_no_path(config, splits, tmp_path, trained):
    point = point_of(config, splits)
    assert point_of(config, splits) == point
    train_part = replace(splits.train, features=splits.train.features + 1)
    assert point_of(config, replace(splits, train=train_part)) != point
    points = []
    for name in ("a", "b"):
        trained.model.save(tmp_path / f"{name}.safetensors")
        model = config.model.model_copy(update={"weights": str(tmp_path / f"{name}.safetensors")})
        points.append(point_of(config.model_copy(update={"model": model}), splits))
    assert points[0] == points[1] != point


def test_two_commands_of_one_point_are_two_runs(config, splits, tmp_path):
    runs = [start_run(config, splits, tmp_path) for _ in range(2)]
    for run in runs:
        run.end("FINISHED")
    assert runs[0].run_id != runs[1].run_id
    assert runs[0].point_id == runs[1].point_id


def test_a_run_of_an_experiment_in_a_copy_belongs_to_the_users_checkout(splits, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "checkout"))
    monkeypatch.setenv("DVC_EXP_NAME", "rich-owls")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = configuration(**SMALL, split__test=30)
    (tmp_path / "checkout").mkdir()
    address = new_database(tmp_path / "checkout" / "mlflow.db")
    with start_run(config, splits, tmp_path / "copy").closing() as run:
        pass
    assert MlflowClient(address).get_run(run.run_id).data.tags["dvc.experiment"] == "rich-owls"
    assert not (tmp_path / "copy").exists()
