"""Runs as overrides of conf/: whatever data they were on."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from checkouts import ROOT
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
