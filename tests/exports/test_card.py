"""The model card of a run: what hubs read of it, and what people do."""

import math
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import yaml

from exported import drawn_model
from plainmlp.data.arrays import Column
from plainmlp.exports.card import model_card
from plainmlp.system.wording import printable
from plainmlp.tracking.stored_runs import StoredRun

RUN_ID = "3f" * 16
PARAMETERS = {
    "dataset.name": "table",
    "dataset.path": "/home/someone/private/my flats.csv",
    "dataset.missing": "mean",
    "dataset.separator": "auto",
    "dataset.drop": '["a|b"]',
    "optimizer.name": "adam",
    "split.seed": "4",
    "training.patience": "null",
}
METRICS = {
    "test_accuracy": 0.8754321,
    "interval/test_accuracy_low": 0.81,
    "interval/test_accuracy_high": 0.92,
    "baseline_accuracy": 0.5,
    "test_macro_f1": 0.75,
    "test_log_loss": math.inf,
    "test_expected_calibration_error": 0.031,
    "validation_accuracy": 0.99,
}
TAGS = {"point_id": "ab" * 32, "weights_digest": "cd" * 32, "git_commit": "ef" * 20}


def card_of(model=None, *, name="flats 8 relu adam", metrics=None, tags=TAGS) -> tuple[dict, str]:
    """Return the front matter and the page of a run."""
    run = StoredRun(RUN_ID, "FINISHED", PARAMETERS, tags, METRICS if metrics is None else metrics)
    text = model_card(run, name, drawn_model() if model is None else model, {"train": 1200, "test": 300})
    opening, front, page = text.split("---\n", 2)
    assert opening == ""
    return yaml.safe_load(front), page


def test_front_matter_is_what_hubs_read():
    front, _ = card_of()
    assert (front["library_name"], front["pipeline_tag"]) == ("plainmlp", "tabular-classification")
    assert "license" not in front
    [entry] = front["model-index"]
    [result] = entry["results"]
    assert entry["name"] == "flats 8 relu adam"
    assert result["dataset"] == {"name": "drawn", "type": "drawn", "split": "test"}
    assert {"type": "accuracy", "name": "accuracy", "value": 0.8754321} in result["metrics"]
    assert {"type": "f1", "name": "macro_f1", "value": 0.75} in result["metrics"]
    assert front["metrics"] == [metric["type"] for metric in result["metrics"]]
    assert "log_loss" not in front["metrics"]  # no number that YAML and JSON share


def test_page_has_metrics_with_intervals_calibration_data_and_digests():
    _, page = card_of()
    assert "| accuracy | 0.8754 | 0.81 to 0.92 | 0.5 |" in page
    assert "| log_loss | inf |  |  |" in page
    assert "- expected calibration error 0.031: mean distance" in page
    assert "validation_accuracy" not in page
    assert "| rows | train 1,200, test 300 |" in page
    assert "| columns | 4: a, b, c, d |" in page
    assert "| classes | none, some, all |" in page
    assert "| dataset.missing | mean |" in page
    assert '| dataset.drop | ["a\\|b"] |' in page
    assert "dataset.separator" not in page  # as it is where nobody says otherwise
    assert "| split.seed | 4 |" in page
    for key, value in {**TAGS, "run": RUN_ID}.items():
        assert f"| {key} | `{value}` |" in page
    assert f"    python pipelines/verify.py {RUN_ID}\n" in page
    assert "training.patience" not in page
    assert "License, intended use and limits are not recorded" in page


def test_folders_of_the_machine_stay_private():
    _, page = card_of()
    assert "| dataset.path | my flats.csv |" in page
    assert "someone" not in page


def test_a_regression_has_no_calibration():
    model = drawn_model(loss="squared_error")
    metrics = {"test_r2": 0.5, "test_mean_squared_error": 2.0}
    front, page = card_of(model, metrics=metrics)
    assert front["pipeline_tag"] == "tabular-regression"
    assert front["metrics"] == ["mse", "r_squared"]
    assert "Calibration" not in page
    assert "target: target 0, target 1, target 2." in page


def test_images_are_said_to_be_images():
    model = drawn_model()
    front, _ = card_of(replace(model, description=replace(model.description, image_shape=(2, 2))))
    assert front["pipeline_tag"] == "image-classification"


def test_many_columns_are_counted_and_their_kinds_said():
    model = drawn_model()
    columns = (Column("city", ("Bern", "Chur")), Column("day", dates="days"), *(Column(f"x{n}") for n in range(30)))
    _, page = card_of(replace(model, description=replace(model.description, columns=columns)))
    assert "| columns | 32: city (2 levels), day (date), x0," in page
    assert "x17 and 12 more |" in page


def test_the_latest_verdict_is_told():
    _, page = card_of(tags={**TAGS, "verify.verdict": "identical", "verify.date": "2026-11-22T01:02:03+00:00"})
    assert "Last verified on 2026-11-22T01:02:03+00:00: **identical**." in page
    _, page = card_of()
    assert "verified on" not in page


@pytest.mark.parametrize("name", ["a: b # c", "---\nlicense: mit", "ä 'b' \"c\" \x1b[2J"])
def test_no_name_changes_what_the_front_matter_says(name):
    front, page = card_of(name=name)
    assert front["model-index"][0]["name"] == printable(name)
    assert "license" not in front
    assert page.isprintable() or set(filter(lambda sign: not sign.isprintable(), page)) == {"\n"}


def test_what_the_page_says_of_its_use_runs(tmp_path, monkeypatch):
    model = drawn_model()
    model.save(tmp_path / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    _, page = card_of(model)
    example = page.split("## How to use it\n")[1].split("##")[0]
    names = {"frame": model.preparation.to_frame(np.zeros((2, len(model.preparation.columns))))}
    exec(textwrap.dedent(example), names)
    assert len(names["predicted"]) == 2
