"""overrides.yaml, edits of params.yaml, and runs on whatever data, as overrides of conf/."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from checkouts import ROOT
from configurations import refusal
from plainmlp.composition.compose import compose, parse
from plainmlp.composition.overrides import (
    edited_sections,
    literal,
    marks_line,
    overrides_of,
    overrides_of_folder,
    overrides_of_run,
    read_overrides,
    with_edits,
    write_overrides,
)
from plainmlp.config.canonical import canonical
from plainmlp.config.inputs import locate_inputs
from plainmlp.tracking.recording.configuration import recorded_text

COMPOSED = {"seed": 0, "optimizer": {"name": "adam", "learning_rate": 0.001}, "model": {"l1": 0.0, "bias": True}}
TEXT = marks_line(COMPOSED)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(overrides=st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20), max_size=4))
@example(overrides=["0E0"])  # a number of YAML 1.2
def test_overrides_read_back_as_they_were(tmp_path, overrides):
    write_overrides(tmp_path / "overrides.yaml", overrides)
    assert read_overrides(tmp_path / "overrides.yaml") == overrides


def test_opening_comments_stay(tmp_path):
    path = tmp_path / "overrides.yaml"
    path.write_text("# first\n# second\noverrides:\n- a=1 # a remark\n")
    write_overrides(path, ["seed=1"])
    write_overrides(path, ["seed=2", "model.hidden_sizes=[8,4]"])
    assert path.read_text() == "# first\n# second\noverrides:\n- seed=2\n- model.hidden_sizes=[8,4]\n"


def test_no_overrides_are_an_empty_list(tmp_path):
    write_overrides(tmp_path / "overrides.yaml", [])
    assert (tmp_path / "overrides.yaml").read_text() == "overrides: []\n"
    assert read_overrides(tmp_path / "overrides.yaml") == []


@pytest.mark.parametrize(
    "text",
    ["overrides: seed=1", "overrides: [1]", "other: []", "overrides: []\nmore: 1", "overrides:", "overrides: [a: 1]"],
)
def test_anything_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "overrides.yaml").write_text(text)
    assert "must hold one list of texts" in refusal(read_overrides, tmp_path / "overrides.yaml")


def test_untouched_parameters_are_no_edit() -> None:
    assert edited_sections(TEXT, COMPOSED) == []
    assert edited_sections(TEXT, COMPOSED | {"model": {"l1": 0.0, "bias": 1}}) == ["model"]
    assert edited_sections("", COMPOSED) == sorted(COMPOSED)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ([], []),
        ([], ["seed=3"]),
        ([], ["optimizer=sgd", "optimizer.learning_rate=0.001"]),  # as slow as adam, whose rate it is
        ([], ["dataset=table", "dataset.path='a b.csv'", "dataset.target='price'"]),
        (["optimizer=sgd", "optimizer.learning_rate=0.01"], ["optimizer.learning_rate=0.1"]),  # back to conf/
        (["optimizer=momentum", "experiment=clusters"], ["optimizer=sgd", "optimizer.clip_norm=1.0"]),
        (["model.dropout=0.5"], ["model.dropout=0.0", "model.loss='squared_error'"]),
    ],
)
def test_change_comes_back_as_the_same_overrides(base: list[str], change: list[str]) -> None:
    wanted = canonical(parse(compose(ROOT / "conf", [*base, *change])))
    assert overrides_of(wanted, ROOT / "conf", "-S", base) == change


def test_edit_replaces_an_earlier_override_of_its_key() -> None:
    assert with_edits(["model=deep", "+seed=1"], ["seed=2"]) == ["model=deep", "seed=2"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=32, blacklist_characters="$", blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(VALUES)
def test_hydra_reads_a_literal_back(value: object) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    assert OverridesParser.create().parse_override(f"key={literal(value)}").value() == value


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
def test_run_becomes_overrides_with_paths_relative_to_the_checkout(overrides, tmp_path: Path) -> None:
    config = parse(compose(ROOT / "conf", overrides))
    recorded = locate_inputs(config, lambda key, path: tmp_path / path)
    store = SimpleNamespace(read_artifact=lambda run_id, name: recorded_text(recorded))
    promoted = overrides_of_run("3f2a", store, ROOT)
    expected = locate_inputs(config, lambda key, path: Path(os.path.relpath(tmp_path / path, ROOT)))
    assert canonical(parse(compose(ROOT / "conf", promoted))) == canonical(expected)


def test_folder_of_own_files_becomes_overrides_of_conf(tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "my conf"
    (own / "experiment").mkdir(parents=True)
    lines = (
        "# @package _global_",
        "defaults:",
        "  - override /optimizer: sgd",
        "  - override /dataset: npy",
        "seed: 7",
    )
    (own / "experiment" / "mine.yaml").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    found = overrides_of_folder(
        Path("my conf"), ["experiment=mine", "dataset.path=arrays", "tracking.experiment=e"], ROOT
    )
    config = parse(compose(ROOT / "conf", found))
    assert (config.seed, config.optimizer.name, config.tracking.experiment) == (7, "sgd", "e")
    assert config.dataset.path == os.path.relpath(tmp_path / "arrays", ROOT)


def test_folder_of_own_files_that_is_none_is_refused(tmp_path: Path) -> None:
    assert (
        refusal(overrides_of_folder, tmp_path / "none", [], ROOT) == f"--config-dir {tmp_path / 'none'} is not a folder"
    )


@given(st.lists(st.sampled_from(["\\", "$", "{", "}", "'", "a", "${", "${oc.env:HOME}"]), max_size=9).map("".join))
def test_interpolation_in_a_literal_is_text(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    value = OverridesParser.create().parse_override(f"key={literal([text])}").value()
    assert OmegaConf.to_container(OmegaConf.create({"key": value}), resolve=True) == {"key": [text]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "config.yaml of run=3f2a, line 1: the anchor or alias 'x' is not allowed"),
        ("", "config.yaml of run=3f2a must hold a mapping"),
        ("a: [", "config.yaml of run=3f2a, line 1"),
    ],
)
def test_configuration_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    store = SimpleNamespace(read_artifact=lambda run_id, name: text)
    assert refusal(overrides_of_run, "3f2a", store, ROOT).startswith(problem)


def test_interpolation_in_a_foreign_configuration_is_not_resolved() -> None:
    config = parse(compose(ROOT / "conf", ["dataset=table", "dataset.path=x.csv", "dataset.target=kind"]))
    target = "${oc.env:HOME}"
    foreign = config.model_copy(update={"dataset": config.dataset.model_copy(update={"target": target})})
    store = SimpleNamespace(read_artifact=lambda run_id, name: recorded_text(foreign))
    promoted = overrides_of_run("3f2a", store, ROOT)
    assert parse(compose(ROOT / "conf", promoted)).dataset.target == target
