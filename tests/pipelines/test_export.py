"""pipelines/export.py and card.py: a model becomes an ONNX file and a run a page, or nothing does."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import onnx
import pytest
import yaml
from mlflow.entities import Dataset, DatasetInput, InputTag
from onnxruntime import InferenceSession

from checkouts import ROOT
from export import main
from exported import drawn_model
from plainmlp.data.arrays import Column
from plainmlp.data.storage import write_splits
from plainmlp.exports import onnx_file
from plainmlp.exports.sources import part_sizes
from plainmlp.system.command import run_command
from plainmlp.tracking.store import Store
from plainmlp.training.model import Model
from pointed import SMALL
from recorded import EXPERIMENT, Recorded, configuration, record, splits_of

pytestmark = pytest.mark.slow

STORE = {"tracking__experiment": EXPERIMENT}


@pytest.fixture(scope="module")
def recorded(address: str, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Return a run of a small network on the digits."""
    config = configuration(**SMALL, **STORE, tracking__uri=address)
    return record(config, tmp_path_factory.mktemp("run"))


def properties(path: Path) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load(path).metadata_props}


def exported(given: object, target: Path, *overrides: str) -> int:
    return run_command(lambda: main(str(given), target, list(overrides)))


def test_a_run_is_exported_by_the_beginning_of_its_id(recorded, address, tmp_path, capsys):
    target, run_id = tmp_path / "new" / "model.onnx", recorded.summary["run_id"]
    assert exported(run_id[:12], target, f"tracking.uri={address}") == 0
    out = capsys.readouterr().out
    assert "over 40 rows of the test part, the same class in 40 of 40" in " ".join(out.split())
    said = properties(target)
    for key in ("point_id", "weights_digest", "git_commit", "data_digest", "split_digest"):
        assert said[key] == recorded.summary[key]
    assert said["run_id"] == run_id
    features = splits_of(configuration(**SMALL)).test.features
    predicted, probabilities = InferenceSession(target).run(None, {"features": features.astype(np.float64)})
    ours = Model.load(recorded.folder / "models" / "model.safetensors").predict(features)
    np.testing.assert_allclose(probabilities, ours, atol=1e-6)
    assert (predicted == ours.argmax(axis=1).astype(str)).all()


def test_a_file_is_exported_with_what_lies_beside_it(recorded, tmp_path, capsys):
    folder = tmp_path / "checkout"
    copytree(recorded.folder / "models", folder / "models")
    assert exported(folder / "models" / "model.safetensors", tmp_path / "alone.onnx") == 0
    assert "256 rows drawn at random (its data is not at hand)" in capsys.readouterr().out
    assert set(properties(tmp_path / "alone.onnx")) == {"weights_digest", "description"}
    write_splits(folder / "data" / "split", splits_of(configuration(**SMALL)))
    (folder / "run.json").write_bytes((recorded.folder / "run.json").read_bytes())
    assert exported(folder / "models" / "model.safetensors", tmp_path / "whole.onnx") == 0
    assert "40 rows of the test part" in capsys.readouterr().out
    said = properties(tmp_path / "whole.onnx")
    assert (said["point_id"], said["run_id"]) == (recorded.summary["point_id"], recorded.summary["run_id"])
    assert said["git_commit"] == recorded.summary["git_commit"] == recorded.run.data.tags["mlflow.source.git.commit"]


def test_data_and_notes_of_another_model_are_not_taken(recorded, tmp_path, capsys):
    folder = tmp_path / "checkout"
    drawn_model().save(folder / "models" / "model.safetensors")
    write_splits(folder / "data" / "split", splits_of(configuration(**SMALL)))
    (folder / "run.json").write_bytes((recorded.folder / "run.json").read_bytes())
    assert exported(folder / "models" / "model.safetensors", tmp_path / "model.onnx") == 0
    assert "its data is not at hand" in capsys.readouterr().out
    assert "point_id" not in properties(tmp_path / "model.onnx")


def refused(capsys, given: object, target: Path, *overrides: str) -> str:
    """Return the one line with which an export is refused; nothing is left behind."""
    before = sorted(target.parent.rglob("*"))
    assert exported(given, target, *overrides) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(target.parent.rglob("*")) == before
    return err.strip()


def test_a_mistake_is_one_line_and_nothing_is_written(recorded, address, tmp_path, capsys):
    weights = recorded.folder / "models" / "model.safetensors"
    there = tmp_path / "there.onnx"
    there.write_text("mine")
    assert refused(capsys, weights, there).endswith("there.onnx already exists; choose another file, or remove it")
    assert there.read_text() == "mine"
    assert refused(capsys, weights, tmp_path / "model.pb").endswith("model.pb: the file must end in .onnx")
    target, store = tmp_path / "model.onnx", f"tracking.uri={address}"
    assert "'abcdef' is not a run in" in refused(capsys, "abcdef", target, store)
    assert "no.safetensors" in refused(capsys, tmp_path / "no.safetensors", target)
    there.with_suffix(".safetensors").write_bytes(b"mine")
    assert "there.safetensors: is" in refused(capsys, there.with_suffix(".safetensors"), target)


def test_a_run_without_a_model_is_one_line(recorded, address, tmp_path, capsys):
    run = recorded.client.create_run(recorded.run.info.experiment_id)
    line = refused(capsys, run.info.run_id, tmp_path / "model.onnx", f"tracking.uri={address}")
    assert "which is RUNNING, has no model.safetensors" in line


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_named(library, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    assert "pip install 'plainmlp[onnx]'" in refused(capsys, "abcdef", tmp_path / "model.onnx")


@pytest.mark.parametrize("name", ["predicted", "\ud800"])
def test_what_onnx_cannot_express_is_refused(name, tmp_path, capsys):
    model = drawn_model()
    columns = (Column(name, dates="days"), *model.preparation.columns[1:])
    preparation = replace(model.preparation, columns=columns, input_names=(name, *model.preparation.input_names[1:]))
    replace(model, preparation=preparation).save(tmp_path / "odd.safetensors")
    line = refused(capsys, tmp_path / "odd.safetensors", tmp_path / "model.onnx")
    assert "ONNX cannot express this model (" in line


def test_a_network_beyond_what_a_file_may_hold_is_refused(tmp_path, capsys, monkeypatch):
    drawn_model().save(tmp_path / "large.safetensors")
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    assert "more than the 1e+02 bytes" in refused(capsys, tmp_path / "large.safetensors", tmp_path / "model.onnx")


def test_a_run_has_a_card_of_what_is_recorded(recorded, address, tmp_path, capsys):
    import card

    path, run_id = tmp_path / "README.md", recorded.summary["run_id"]
    card.main(run_id[:12], path, [f"tracking.uri={address}"])
    assert capsys.readouterr().out == f"{path}\n"
    text = path.read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pipeline_tag"] == "image-classification"
    values = {each["name"]: each["value"] for each in front["model-index"][0]["results"][0]["metrics"]}
    assert values == {name: recorded.summary["metrics"][f"test_{name}"] for name in values}
    assert "\n# digits 6 relu adam\n" in text
    assert "| rows | train 100, validation 40, test 40 |" in text
    known = {**recorded.summary, **recorded.client.get_run(run_id).data.tags}
    for key in ("point_id", "weights_digest", "data_digest", "split_digest", "git_commit", "manifest_digest"):
        assert f"| {key} | `{known[key]}` |" in text
    card.main(run_id, None, [f"tracking.uri={address}"])
    assert capsys.readouterr().out == text
    assert run_command(lambda: card.main(run_id, path, [f"tracking.uri={address}"])) == 2
    assert capsys.readouterr().err == f"error: {path} already exists; choose another file, or remove it\n"
    assert run_command(lambda: card.main("abcdef", None, [f"tracking.uri={address}"])) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "listed",
    [
        {"training": {"n_test": 4, "n_train": 10}},
        {"test": {"num_rows": 4}, "training": {"num_rows": 10}},
        {"": {}},
    ],
)
def test_rows_are_counted_as_runs_list_them(recorded, address, listed):
    run_id = recorded.client.create_run(recorded.run.info.experiment_id).info.run_id
    inputs = [
        DatasetInput(
            Dataset("digits", name or "none", "code", "{}", profile=json.dumps(profile)),
            [InputTag("mlflow.data.context", name)] if name else [],
        )
        for name, profile in listed.items()
    ]
    recorded.client.log_inputs(run_id, inputs)
    expected = [("train", 10), ("test", 4)] if all(listed.values()) else []
    assert list(part_sizes(Store(address, EXPERIMENT), run_id).items()) == expected


def test_the_example_of_the_page_runs(recorded, address, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "exporting.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    main(recorded.summary["run_id"], tmp_path / "model.onnx", [f"tracking.uri={address}"])
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    assert names["predicted"].shape == (3,)
    assert names["probabilities"].shape == (3, 10)
