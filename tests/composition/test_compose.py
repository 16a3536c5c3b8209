"""Composition and parsing, and what is said where they fail."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from configurations import CONF, changed, refusal
from plainmlp.composition.compose import compose, explain, parse, refuse_credentials, run_app


def test_further_problems_are_counted() -> None:
    two = changed(model__l1=-1, training__epochs=0)
    three = changed(model__l1=-1, training__epochs=0, seed=-1)
    assert refusal(parse, two).endswith("(and 1 more problem)")
    assert refusal(parse, three).endswith("(and 2 more problems)")
    assert refusal(parse, changed(model__loss="x", optimizer__schedule="x")).endswith("(and 1 more problem)")


@pytest.mark.parametrize(
    ("overrides", "pattern"),
    [
        (
            ["model.activaton=tanh"],
            r"model\.activaton is an unknown key; did you mean 'model\.activation'\? \(allowed in",
        ),
        (["modle.activation=tanh"], r"modle\.activation is an unknown key; did you mean 'model\.activation'\?$"),
        (["modle.activatoin=tanh"], r"modle\.activatoin is an unknown key; did you mean 'model\.activation'\?$"),
        (["optimizer.lr=1"], r"optimizer\.lr is an unknown key \(allowed in optimizer: .*learning_rate"),
        (["modle=deep"], r"modle is an unknown key; did you mean 'model'\?"),
        (["learning_rate=1"], r"learning_rate is an unknown key; did you mean 'optimizer\.learning_rate'\?"),
        (["~model.biass"], r"model\.biass is an unknown key; did you mean 'model\.bias'\?"),
        (["model=depp"], r"model='depp' is unknown; did you mean 'deep'\? \(allowed: deep, linear, mlp\)$"),
        (["experiment=mnst"], r"experiment='mnst' is unknown; did you mean 'mnist'\?"),
        (["model=null"], r"model='null' is unknown \(allowed: deep, linear, mlp\)$"),
        (["model=[mlp,depp]"], r"model='depp' is unknown; did you mean 'deep'\?"),
        (
            ["optimizer.momentum=0.5"],
            r"optimizer\.momentum is an unknown key .*; optimizer=momentum and optimizer=nesterov",
        ),
        (
            ["model={a: 1}"],
            r"model\.a is an unknown key .*; to replace the whole of model, write ~model \+model=\.\.\.$",
        ),
        (["model.activation=???"], r"model\.activation: Missing mandatory value"),
        (["model.activation=${nothing}"], r"model\.activation: Interpolation key 'nothing' not found$"),
        (["model=/${~b]}"], r"the overrides \['model=/\$\{~b\]\}'\] cannot be applied$"),
        (["+=/a"], r"."),  # an assertion in Hydra fails
        (["~training.patience"], r"^override '~training\.patience' is not allowed: a run needs training\.patience"),
        (["dataset=[[]]"], r"the overrides \['dataset=\[\[\]\]'\] cannot be applied"),
        (["@dataset.name=1"], r"."),
        (["tanh"], r"override 'tanh' cannot be read \(.*\); write key=value, such as "),
        (["model.hidden_sizes=[8"], r"override 'model\.hidden_sizes=\[8' cannot be read \(.*\); write key=value"),
        (["model.hidden_sizes=3,4"], r"Ambiguous value for argument 'model\.hidden_sizes=3,4'; .*--multirun"),
        (["~seed=1"], r"Could not delete from config\. The value of 'seed' is 0 and not 1$"),
        (["+model.l2=1"], r"Could not append to config\. An item is already at 'model\.l2'"),
    ],
)
def test_composition_explains_a_bad_override(overrides: list[str], pattern: str) -> None:
    line = refusal(compose, CONF, overrides)
    assert re.match(pattern, line), line


def test_unknown_key_is_explained_with_the_files_that_the_overrides_choose() -> None:
    line = refusal(compose, CONF, ["optimizer=sgd", "optimizer.rate=1"])
    assert "beta1" not in line


def test_replacing_a_choice_with_other_options_works_as_explained() -> None:
    overrides = ["experiment=clusters", "model.initializer={name: uniform, low: -1}"]
    assert "~model.initializer +model.initializer=" in refusal(compose, CONF, overrides)
    instead = ["experiment=clusters", "~model.initializer", "+model.initializer={name: uniform, low: -1}"]
    assert parse(compose(CONF, instead)).model.initializer.options == {"low": -1.0, "high": 0.05}


@settings(deadline=None)  # a composition takes tens of milliseconds
@given(st.text(max_size=20).filter(lambda text: "=" not in text))
def test_text_that_is_no_override_is_refused_in_one_line(text: str) -> None:
    assume(not text.startswith("~"))
    assert len(refusal(compose, CONF, [text]).splitlines()) == 1


def test_broken_file_of_conf_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("defaults: [_self_, model: bad]\nseed: 0\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "bad.yaml").write_text("a: 1\nb: [1\n")
    line = refusal(compose, tmp_path, [])
    assert "bad.yaml, line 3: " in line


def test_explanation_keeps_what_it_does_not_know_to_one_line() -> None:
    assert str(explain(ValueError("first.\n\n  second"), CONF, [])) == "first; second"


def test_overrides_reach_the_configuration() -> None:
    config = parse(compose(CONF, ["model.hidden_sizes=[8,4]", "model.activation=tanh", "optimizer=sgd", "seed=3"]))
    assert config.model.hidden_sizes == (8, 4)
    assert config.model.activation == "tanh"
    assert config.optimizer.name == "sgd"
    assert config.seed == 3


SECRET = "https://ann:geheim@h/x"


@pytest.mark.parametrize(
    "words",
    [
        [f"tracking.uri='{SECRET}'"],
        ["-m", "seed=0,1", f"tracking.uri='{SECRET}',x"],
        [f"tracking={{uri: '{SECRET}'}}"],
        ["tracking=server"],
    ],
)
def test_credentials_are_refused_before_hydra_writes_them_down(tmp_path, monkeypatch, words):
    shutil.copytree(CONF, tmp_path / "conf")
    if words == ["tracking=server"]:
        (tmp_path / "conf/tracking/server.yaml").write_text(f"uri: {SECRET}\nexperiment: e\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    line = refusal(run_app, tmp_path / "conf", lambda config, folder: None)
    assert "geheim" not in line
    assert "MLFLOW_TRACKING_PASSWORD" in line
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("override", ["tracking.uri=https://ann:geheim@h[", "tracking.url='https://ann:geheim@h'"])
def test_what_cannot_be_read_is_shown_without_credentials(override):
    assert "geheim" not in refusal(compose, CONF, [override])


def test_file_that_is_no_text_is_left_to_hydra(tmp_path):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf/tracking/other.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "conf/tracking/gone.yaml").symlink_to("nowhere")
    refuse_credentials([tmp_path / "conf"], ["tracking=other"])


@pytest.mark.parametrize("words", [["--config-dir", "mine"], ["--config-dir=mine"], ["-cd", "mine"]])
def test_credentials_in_a_folder_of_the_users_are_refused_as_early(tmp_path, monkeypatch, words):
    (tmp_path / "mine" / "tracking").mkdir(parents=True)
    (tmp_path / "mine" / "tracking" / "server.yaml").write_text(f"uri: {SECRET}\nexperiment: e\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", *words, "tracking=server"])
    assert "MLFLOW_TRACKING_PASSWORD" in refusal(run_app, CONF, lambda config, folder: None)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("part", ["sweeper", "launcher"])
def test_a_sweep_without_what_hydra_needs_for_it_is_one_line(tmp_path, monkeypatch, part):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run.py", "sweep=layers_activations", f"hydra.{part}=null"])
    line = refusal(run_app, CONF, lambda config, folder: None)
    assert line == f"hydra.{part}: null is not allowed: a sweep needs one"
