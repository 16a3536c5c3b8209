"""Runs as overrides of conf/: whatever data they were on."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import ROOT
from configurations import refusal
from plainmlp.composition import promotion
from plainmlp.composition.compose import compose, parse
from plainmlp.config.canonical import canonical
from plainmlp.config.inputs import locate_inputs
from plainmlp.tracking.recording.configuration import recorded_text


@pytest.mark.parametrize(
    "overrides",
    [
        ["dataset=table", "dataset.path=my data.csv", "dataset.target=kind", "dataset.missing=mean"],
        ["dataset=npy", "dataset.path=arrays", "model.weights=start.safetensors"],
        ["dataset=openml", "dataset.data_id=554"],
        ["experiment=sincos", "optimizer=sgd", "training.epochs=3"],
    ],
    ids=["table", "npy", "openml", "sincos"],
)
def test_run_becomes_overrides_with_paths_relative_to_the_checkout(overrides, tmp_path: Path, monkeypatch) -> None:
    config = parse(compose(ROOT / "conf", overrides))
    recorded = locate_inputs(config, lambda key, path: tmp_path / path)
    store = SimpleNamespace(read_artifact=lambda run_id, name: recorded_text(recorded))
    monkeypatch.setattr(promotion, "open_store", lambda tracking, checkout: store)
    promoted = promotion.promoted_overrides("3f2a", config.tracking, ROOT)
    expected = locate_inputs(config, lambda key, path: Path(os.path.relpath(tmp_path / path, ROOT)))
    assert canonical(parse(compose(ROOT / "conf", promoted))) == canonical(expected)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "config.yaml of run=3f2a, line 1: the anchor or alias 'x' is not allowed"),
        ("", "config.yaml of run=3f2a must hold a mapping"),
        ("a: [", "config.yaml of run=3f2a, line 1"),
    ],
)
def test_configuration_that_cannot_be_read_is_refused(text: str, problem: str, monkeypatch) -> None:
    config = parse(compose(ROOT / "conf", []))
    store = SimpleNamespace(read_artifact=lambda run_id, name: text)
    monkeypatch.setattr(promotion, "open_store", lambda tracking, checkout: store)
    assert refusal(promotion.promoted_overrides, "3f2a", config.tracking, ROOT).startswith(problem)


def test_interpolation_in_a_foreign_configuration_is_not_resolved(monkeypatch) -> None:
    config = parse(compose(ROOT / "conf", ["dataset=table", "dataset.path=x.csv", "dataset.target=kind"]))
    target = "${oc.env:HOME}"
    foreign = config.model_copy(update={"dataset": config.dataset.model_copy(update={"target": target})})
    store = SimpleNamespace(read_artifact=lambda run_id, name: recorded_text(foreign))
    monkeypatch.setattr(promotion, "open_store", lambda tracking, checkout: store)
    promoted = promotion.promoted_overrides("3f2a", config.tracking, ROOT)
    assert parse(compose(ROOT / "conf", promoted)).dataset.target == target
