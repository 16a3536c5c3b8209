"""The record of whole runs in MLflow, as scripts read it; and the model that MLflow loads again."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from configurations import CONF
from plainmlp.composition.compose import compose, parse
from plainmlp.config.canonical import canonical, dump_yaml
from plainmlp.config.places import Places
from plainmlp.tracking.outbox import published
from plainmlp.tracking.recording.evaluation import show_recorded
from plainmlp.tracking.recording.training import open_store, point_of
from plainmlp.training.history import read_history
from plainmlp.training.model import Model
from recorded import EXPERIMENT, Recorded, configuration, record, splits_of, write_flats

SMALL = {"model__hidden_sizes": [6], "training__epochs": 4}
TABLE = {"dataset__name": "table", "dataset__missing": "mean", **SMALL}
pytestmark = pytest.mark.slow

PREDICT = """
import json, sys
import mlflow
import pandas as pd

for model, cells, answer in json.loads(sys.argv[1]):
    loaded = mlflow.pyfunc.load_model(model)
    for number, cell in enumerate(cells):
        loaded.predict(pd.read_pickle(cell)).to_pickle(f"{answer}{number}")
import plainmlp
print(plainmlp.__file__)
"""


@pytest.fixture(scope="module")
def tracked(address, tmp_path_factory):
    """Do a run for each kind of model; return it with its configuration."""
    folder = tmp_path_factory.mktemp("runs")
    write_flats(folder / "flats.csv")
    path = str(folder / "flats.csv")
    kinds = {
        "digits": {"model__hidden_sizes": [16], "training__epochs": 6, "training__loss_every": 50},
        "kind": {**TABLE, "dataset__path": path, "dataset__target": "kind"},
        "price": {**TABLE, "dataset__path": path, "dataset__target": "price", "dataset__missing": "median"},
    }
    tracking = {"uri": address, "experiment": EXPERIMENT}
    configurations = {name: configuration(**values, tracking=tracking) for name, values in kinds.items()}
    return {name: (config, record(config, folder / name)) for name, config in configurations.items()}


def curve(run: Recorded, name: str) -> list[float]:
    history = sorted(run.client.get_metric_history(run.run.info.run_id, name), key=lambda point: point.step)
    assert [point.step for point in history] == list(range(len(history)))
    return [point.value for point in history]


def test_curves_have_a_step_an_epoch_from_0(tracked):
    for _, run in tracked.values():
        history = read_history(run.folder / "reports" / "history.csv")
        assert {name: curve(run, name) for name in published(history)} == published(history)
    assert {"train_loss", "validation_loss", "train_accuracy", "validation_accuracy"} <= set(
        read_history(tracked["digits"][1].folder / "reports" / "history.csv")
    )


def test_final_metrics_are_those_of_the_files(tracked):
    for name, (_, run) in tracked.items():
        written = json.loads(Places(run.folder).metrics.read_text())
        intervals = json.loads(Places(run.folder).intervals.read_text())
        intervals = json.loads((run.folder / "reports" / "intervals.json").read_text())["test"]
        for metric, value in written["test"].items():
            assert run.run.data.metrics[f"test_{metric}"] == run.summary["metrics"][f"test_{metric}"] == value
            interval = intervals[metric]
            assert run.summary["metrics"][f"interval/test_{metric}_low"] == interval["low"] <= interval["high"]
        assert not [each for each in run.run.data.metrics if "interval" in each]  # a chart for each end says nothing
        expected = {"mean_squared_error"} if name == "price" else {"accuracy", "log_loss"}
        assert expected <= written["test"].keys()


def test_tags_parameters_data_and_status(tracked):
    for name, (config, run) in tracked.items():
        data = run.run.data
        assert run.run.info.status == "FINISHED"
        assert "failure" not in data.tags
        assert data.tags["point_id"] == run.summary["point_id"] == point_of(config, splits_of(config))
        parameters = Model.load(run.folder / "models" / "model.safetensors").parameters
        digest = hashlib.sha256(parameters.tobytes()).hexdigest()
        assert data.tags["weights_digest"] == run.summary["weights_digest"] == digest
        assert data.params["model.hidden_sizes"] == json.dumps(list(config.model.hidden_sizes))
        assert data.params["optimizer.learning_rate"] == "0.001"
        assert data.params["dataset.path"] == (config.dataset.path or "null")
        parts = {each.tags[0].value: each.dataset for each in run.run.inputs.dataset_inputs}
        assert parts.keys() == {"training", "validation", "test"}
        (used,) = {part.name for part in parts.values()}
        assert used == ("digits" if name == "digits" else "table flats")
        assert run.run.info.run_name.startswith(used)
        assert parts["test"].source_type == ("code" if name == "digits" else "local")


def test_model_is_on_the_page_of_models_and_found_by_its_metrics(tracked, address):
    mlflow.set_tracking_uri(address)
    for name, (config, run) in tracked.items():
        metric, value = next(
            (key, run.summary["metrics"][key]) for key in ("test_accuracy", "test_r2") if key in run.summary["metrics"]
        )
        experiments = [run.run.info.experiment_id]
        found = run.client.search_logged_models(
            experiments, f"metrics.{metric} >= {value} and metrics.{metric} <= {value}"
        )
        (listed,) = [model for model in found if model.source_run_id == run.run.info.run_id]
        assert listed.status == "READY"
        assert listed.name == run.run.info.run_name.replace(".", "-")
        assert listed.params["model.hidden_sizes"] == json.dumps(list(config.model.hidden_sizes))
        assert listed.tags["weights_digest"] == run.run.data.tags["weights_digest"]
        assert {each.key for each in listed.metrics} == {
            key for key in run.summary["metrics"] if key.startswith("test_")
        }
        (digest,) = (each.dataset.digest for each in run.run.inputs.dataset_inputs if each.tags[0].value == "test")
        assert {each.dataset_digest for each in listed.metrics} == {digest}
        assert [output.model_id for output in run.run.outputs.model_outputs] == [listed.model_id]
        loaded = mlflow.pyfunc.load_model(f"models:/{listed.model_id}")
        assert loaded.model_id == loaded.metadata.model_id == listed.model_id
        same = mlflow.pyfunc.load_model(f"runs:/{run.run.info.run_id}/model")
        for frame in tables(name, config):
            pd.testing.assert_frame_equal(loaded.predict(frame), same.predict(frame), check_exact=True)


def test_the_search_of_the_manual_finds_good_models(tracked, address):
    mlflow.set_tracking_uri(address)
    run = tracked["digits"][1].run
    found = mlflow.search_logged_models([run.info.experiment_id], "metrics.test_accuracy > 0.5", output_format="list")
    assert run.info.run_id in {model.source_run_id for model in found}


def test_description_says_what_was_trained_what_it_is_worth_and_how_to_verify(tracked):
    config, run = tracked["digits"]
    text = run.run.data.tags["mlflow.note.content"]
    assert text.startswith(f"`16 relu adam` on **digits**, {config.training.epochs} epochs at most.")
    assert f"test accuracy **{run.summary['metrics']['test_accuracy']:.4g}** (95 % interval" in text
    assert f"`python pipelines/verify.py {run.run.info.run_id}`" in text


def test_results_that_were_there_are_shown_with_the_page_of_their_run(tracked, capsys):
    for config, run in tracked.values():
        store = open_store(config.tracking, run.folder)
        show_recorded(store, Places(run.folder))
        output = capsys.readouterr().out
        metric = "accuracy" if "test_accuracy" in run.summary["metrics"] else "r2"
        assert f"{run.summary['metrics'][f'test_{metric}']:.4f}" in output
        assert f"/runs/{run.run.info.run_id}?" in output.splitlines()[-1]


def test_artifacts_are_the_files_of_the_run(tracked):
    _, run = tracked["digits"]
    names = {file.path for file in run.client.list_artifacts(run.run.info.run_id)}
    files = {
        "model.safetensors",
        "config.yaml",
        "history.csv",
        "intervals.json",
        "metrics.json",
        "predictions.csv",
        "steps.csv",
    }
    assert names == {"model", "figures", "tables", "provenance", "manifest.json", *files}
    figures = {file.path for file in run.client.list_artifacts(run.run.info.run_id, "figures")}
    assert {"figures/learning_curves.png", "figures/confusion_matrix.png", "figures/steps.png"} <= figures
    stored = artifacts(run)
    assert digest(stored / "model.safetensors") == digest(run.folder / "models" / "model.safetensors")
    assert (stored / "history.csv").read_bytes() == (run.folder / "reports" / "history.csv").read_bytes()
    assert (stored / "predictions.csv").read_bytes() == (run.folder / "reports" / "predictions.csv").read_bytes()


def test_stored_configuration_is_the_whole_one(tracked):
    from plainmlp.config.canonical import read_params_file

    for config, run in tracked.values():
        text = (artifacts(run) / "config.yaml").read_text(encoding="utf-8")
        assert text == dump_yaml(config)
        assert canonical(read_params_file(artifacts(run) / "config.yaml")) == canonical(config)


def test_model_is_listed_with_the_run_and_carries_no_caches(tracked):
    _, run = tracked["digits"]
    (listed,) = json.loads(run.run.data.tags["mlflow.log-model.history"])
    assert (listed["artifact_path"], listed["run_id"]) == ("model", run.run.info.run_id)
    package = artifacts(run) / "model" / "code" / "plainmlp"
    assert (package / "training" / "serving.py").exists()
    assert not [*package.rglob("__pycache__"), *package.rglob("*.pyc")]


def test_model_has_signature_and_example(tracked):
    from mlflow.models import Model as Record

    folder = str(artifacts(tracked["kind"][1]) / "model")
    record = Record.load(folder)
    types = {"area": "double", "rooms": "double", "city": "string", "garden": "double", "price": "double"}
    inputs = record.signature.inputs.to_dict()
    assert {column["name"]: column["type"] for column in inputs} == types
    assert not any(column["required"] for column in inputs)  # the model fills gaps
    assert record.signature.outputs.input_names() == ["predicted", "probability_gross", "probability_klein"]
    example = record.load_input_example(folder)
    assert [list(row) for row in example] == [list(types)]
    assert len(mlflow.pyfunc.load_model(folder).predict(example)) == 1
    digits = Record.load(str(artifacts(tracked["digits"][1]) / "model")).signature.inputs.to_dict()
    assert {(column["type"], column["required"]) for column in digits} == {("double", True)}


def test_loaded_model_gives_the_predictions_of_evaluate_elsewhere(tracked, tmp_path, address):
    """In another process, whose folder and paths know nothing of the repository, from features as a user has them."""
    work, expected = [], []
    for name, (config, run) in tracked.items():
        frames = tables(name, config)
        for number, frame in enumerate(frames):
            frame.to_pickle(tmp_path / f"{name}.cells{number}")
        cells = [str(tmp_path / f"{name}.cells{number}") for number in range(len(frames))]
        work.append((f"runs:/{run.run.info.run_id}/model", cells, str(tmp_path / f"{name}.answer")))
        predictions = pd.read_csv(run.folder / "reports" / "predictions.csv", dtype={"predicted": str})
        expected += [(tmp_path / f"{name}.answer{number}", predictions) for number in range(len(frames))]
    settings = {"MLFLOW_TRACKING_URI": address, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    answer = subprocess.run(
        [sys.executable, "-c", PREDICT, json.dumps(work)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert "model/code/plainmlp" in answer.stdout
    for path, predictions in expected:
        found = pd.read_pickle(path)
        assert list(found.columns) == [column for column in predictions if column.startswith("pr")]
        for column in found:
            assert found[column].tolist() == predictions[column].tolist(), (path.name, column)


def tables(name: str, config) -> list[pd.DataFrame]:
    """Return the raw features of the test part in the types that users have them in."""
    splits = splits_of(config)
    frame = splits.preparation.to_frame(splits.test.features)
    if name == "digits":
        return [frame.astype(kind) for kind in (np.uint8, np.int64, np.float32, np.float64)]
    truths = frame.assign(garden=frame["garden"] == 1)
    return [frame, truths, frame.assign(rooms=frame["rooms"].astype(int), city=frame["city"].astype("category"))]


def artifacts(run: Recorded) -> Path:
    return Path(run.client.download_artifacts(run.run.info.run_id, ""))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_default_of_conf_reaches_mlflow_under_every_key():
    from plainmlp.tracking.recording.configuration import flat_parameters

    flat = flat_parameters(canonical(parse(compose(CONF, []))))
    assert {
        "seed",
        "dataset.name",
        "split.seed",
        "model.hidden_sizes",
        "optimizer.name",
        "training.epochs",
    } <= flat.keys()
    assert {key.split(".")[0] for key in flat} == {
        "animation", "seed", "dataset", "split", "model", "optimizer", "training", "backend", "sweep", "tracking"
    }  # fmt: skip
