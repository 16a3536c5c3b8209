"""`--help` of every script: what can be set, at once."""

import re
from pathlib import Path

import pytest

from checkouts import ROOT, run

pytestmark = pytest.mark.slow
SCRIPTS = sorted(path.stem for path in (ROOT / "pipelines").glob("[!_]*.py"))
SLOW = {"mlflow", "sklearn", "matplotlib", "pandas", "scipy", "rich"}
WORDS = {
    "run": ["experiment=null", "files: clusters, digits", "hidden_sizes", "learning_rate", "-m", "HYDRA_FULL_ERROR=1"],
    "sync": ["outbox", "tracking.uri=", "KEY=VALUE"],
    "leaderboard": ["run_id", "--metric", "--folder", "MLflow", "KEY=VALUE"],
    "model": ["run_id", "runs:/", "KEY=VALUE", "repro.py run="],
    "promote": [
        "run_id",
        "--name",
        "--alias",
        "--back",
        "--unverified",
        "--to",
        "KEY=VALUE",
        "exit code: 0 registered",
    ],
    "repro": ["KEY=VALUE", "overrides.yaml", "experiment=mnist", "pipelines/run.py --help"],
    "describe": ["path", "target=price", "conf/dataset/table.yaml", "KEY=VALUE"],
    "compose": ["overrides.yaml", "params.yaml", "pipelines/run.py --help"],
    "fetch": ["params.yaml", "data/raw"],
    "split": ["data/raw", "data/split"],
    "train": ["data/split", "models/model.safetensors", "reports/history.csv", "reports/steps.csv"],
    "sweep": ["layers_activations", "reports/sweep", "pipelines/run.py sweep="],
    "export": ["model.onnx", "models/model.safetensors", "run", "plainmlp[onnx]", "KEY=VALUE"],
    "card": ["run_id", "--file README.md", "hubs", "KEY=VALUE"],
    "evaluate": ["models/model.safetensors", "metrics", "figures"],
    "watch": ["KEY=VALUE", "--to FILE", "run=3f2a...", "experiment=clusters"],
    "verify": ["run_id", "--sweep", "--sample", "--seed", "--here", "KEY=VALUE", "exit code: 0 identical"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_can_be_set_without_loading_what_is_slow(tmp_path: Path, script: str) -> None:
    ended = run(tmp_path, "python", "-X", "importtime", ROOT / "pipelines" / f"{script}.py", "--help")
    assert ended.returncode == 0
    flat = " ".join(ended.stdout.split())
    assert [word for word in WORDS[script] if word not in flat] == []
    loaded = set(re.findall(r"\|\s+(\w+)$", ended.stderr, re.MULTILINE))
    assert "plainmlp" in loaded
    assert not loaded & SLOW
    assert list(tmp_path.iterdir()) == []


def test_help_of_the_app_shows_the_chosen_files_at_once(tmp_path: Path) -> None:
    ended = run(tmp_path, "python", "-X", "importtime", ROOT / "pipelines" / "run.py", "--help", "optimizer=sgd")
    assert [library for library in ("numpy", "hydra", "omegaconf", "pydantic", "yaml") if library in ended.stderr] == []
    assert re.search(r"^optimizer=sgd: .*\n.*\n  name: sgd$", ended.stdout, re.MULTILINE)


def test_help_of_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, "python", ROOT / "pipelines" / "run.py", "--help", "optimizer=adamm")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: optimizer='adamm' is unknown; did you mean 'adam'?")


def test_stage_refuses_arguments(tmp_path: Path) -> None:
    ended = run(tmp_path, "python", ROOT / "pipelines" / "train.py", "optimizer=sgd")
    assert ended.returncode == 2
    assert "unrecognized arguments: optimizer=sgd" in ended.stderr
