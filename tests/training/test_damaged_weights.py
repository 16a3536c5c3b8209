"""Weights files with any damage, and with any record that is sealed as ours are: parameters or one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from configurations import refusal
from damaged import damaged, result_or_line
from plainmlp.nn.architecture import Architecture
from plainmlp.training import sealed
from plainmlp.training.construction import load_weights
from plainmlp.training.model import Model, sealed_layers
from plainmlp.training.train import train
from recorded import configuration, splits_of

TINY = Architecture((2, 2, 1), ("tanh",), "huber", (("threshold", 1e-05),))
PARAMETERS = np.arange(9, dtype=np.float32)
WORDS = [b"{", b"[" * 300, b'"', b"BF16", b"F8_E4M3", b"I64", b"[0,0]", b"\\u0000", b"null", b"-1", b"1e999"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)),
    lambda values: st.one_of(st.lists(values, max_size=3), st.dictionaries(st.text(max_size=3), values, max_size=3)),
    max_leaves=6,
)


def loaded(path: Path) -> None:
    load_weights(path, TINY)
    Model.load(path)


def resealed(path: Path, tensors: dict[str, np.ndarray], content: object) -> None:
    """Write a file that has our checksum."""
    path.write_bytes(save(tensors, {sealed.METADATA: sealed._seal(tensors.values(), content)}))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = configuration(dataset__name="sincos", model__hidden_sizes=[2], training__epochs=1)
    model = train(splits_of(config), 0, config.model, config.optimizer, config.training).model
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model.save(path)
    with_tensors = sealed.read_sealed(
        path, "x", lambda _: [f"layers.{i}.{kind}" for kind in ("weight", "bias") for i in (0, 1)]
    )
    return path, *with_tensors


def test_metadata_without_end_are_refused(tmp_path):
    path = tmp_path / "deep"
    deep = '{"content": ' + "[" * 100_000 + "]" * 100_000 + "}"
    path.write_bytes(save({"layers.0.weight": PARAMETERS}, {sealed.METADATA: deep}))
    assert refusal(loaded, path).startswith(f"{path}: is damaged, or not a weights file of plainmlp (maximum recursion")


def test_a_network_without_layers_is_refused(tmp_path):
    path = tmp_path / "none"
    architecture = {"layer_sizes": [], "activations": [], "loss": "huber", "loss_options": [], "bias": True}
    path.write_bytes(save({}, {sealed.METADATA: json.dumps({"content": {"architecture": architecture}, "sha256": ""})}))
    assert "not a weights file of plainmlp" in refusal(loaded, path)


@pytest.mark.fuzz
@given(data=st.data())
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    path.write_bytes(sealed_layers(PARAMETERS, TINY, {"name": "Größe"}))
    path.write_bytes(data.draw(damaged([path.read_bytes()], WORDS)))
    result_or_line(lambda: loaded(path))


@pytest.mark.fuzz
@given(data=st.data())
def test_any_record(model, tmp_path_factory, data):
    _, tensors, content = model
    content = json.loads(json.dumps(content))
    place, keys = content, []
    while isinstance(place, dict) and place and (not keys or data.draw(st.booleans())):
        keys.append(data.draw(st.sampled_from(sorted(place))))
        parent, place = place, place[keys[-1]]
    parent[keys[-1]] = data.draw(VALUES)
    path = tmp_path_factory.mktemp("record") / "model.safetensors"
    resealed(path, tensors, content)
    line = result_or_line(lambda: Model.load(path))
    if line is None:
        with np.errstate(all="ignore"):  # a scale of 0
            result_or_line(lambda: Model.load(path).predict(np.zeros((2, 1))))
