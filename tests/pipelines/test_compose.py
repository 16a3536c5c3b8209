"""The stage `compose`, run as DVC runs it, in a copy of the checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from checkouts import run
from plainmlp.composition.compose import compose, parse
from plainmlp.config.canonical import canonical
from plainmlp.config.code import digest_checkout

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the files that the stage reads."""
    for folder in ("conf", "pipelines", "src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "overrides.yaml").write_text("overrides: []\n", encoding="utf-8")
    return tmp_path


def _run(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(checkout.parent, "python", checkout / "pipelines" / "compose.py", *arguments, **variables)


def test_parameters_are_the_configuration_under_the_overrides(checkout: Path) -> None:
    overrides = ["experiment=clusters", "seed=3"]
    (checkout / "overrides.yaml").write_text(yaml.safe_dump({"overrides": overrides}), encoding="utf-8")
    assert _run(checkout).returncode == 0
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    assert text.startswith("# made by pipelines/compose.py; change conf/ or overrides.yaml instead\n")
    configuration = canonical(parse(compose(ROOT / "conf", overrides)))
    assert yaml.safe_load(text) == {**configuration, "code": digest_checkout(ROOT)}


def test_package_of_the_same_checkout_is_run(checkout: Path) -> None:
    dumping = checkout / "src" / "plainmlp" / "config" / "canonical.py"
    dumping.write_text(
        f"{dumping.read_text(encoding='utf-8')}\ndef dump_values(values): return 'mine'\n", encoding="utf-8"
    )
    assert _run(checkout).returncode == 0
    assert (checkout / "params.yaml").read_text(encoding="utf-8").endswith("\nmine")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            "overrides: [model=depp]",
            "error: model='depp' is unknown; did you mean 'deep'? (allowed: deep, linear, mlp)",
        ),
        (
            "overrides: [seed=-1]",
            "error: seed=-1 is not allowed: it must be at least 0",
        ),
        ("overrides: [5]", "error: overrides.yaml must hold one list of texts"),
        ("overrides: seed=1", "error: overrides.yaml must hold one list of texts"),
        ("overrides: []\nseed: 1", "error: overrides.yaml must hold one list of texts"),
    ],
)
def test_mistake_ends_in_one_line_and_leaves_the_parameters(checkout: Path, content: str, line: str) -> None:
    (checkout / "params.yaml").write_text("earlier", encoding="utf-8")
    (checkout / "overrides.yaml").write_text(content, encoding="utf-8")
    ended = _run(checkout)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(line)
    assert ended.stderr.count("\n") == 1
    assert (checkout / "params.yaml").read_text(encoding="utf-8") == "earlier"


def test_experiment_sets_its_values_beside_the_overrides(checkout: Path) -> None:
    changed = compose(ROOT / "conf", ["model.dropout=0.5", "optimizer=sgd", "optimizer.learning_rate=0.001"])
    written = {**changed, "overrides": '["model.dropout=0.5"]'}  # as DVC composes it
    (checkout / "overrides.yaml").write_text("overrides: [model.dropout=0.5]\n", encoding="utf-8")
    (checkout / "params.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    ended = _run(checkout, DVC_EXP_NAME="short")
    assert ended.stdout == "overrides.yaml: added from -S: optimizer=sgd, optimizer.learning_rate=0.001\n", ended.stderr
    found = yaml.safe_load((checkout / "overrides.yaml").read_text(encoding="utf-8"))
    assert found == {"overrides": ["model.dropout=0.5", "optimizer=sgd", "optimizer.learning_rate=0.001"]}
    params = yaml.safe_load((checkout / "params.yaml").read_text(encoding="utf-8"))
    assert {name: params[name] for name in canonical(parse(changed))} == canonical(parse(changed))
    assert "overrides" not in params
    (checkout / "params.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    assert _run(checkout).stdout == "params.yaml was left by an experiment; rebuilt from conf/ and overrides.yaml\n"


def test_values_that_an_experiment_did_not_compose_are_refused(checkout: Path) -> None:
    assert _run(checkout).returncode == 0
    params = checkout / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("\nseed: 0\n", "\nseed: 3\n"), encoding="utf-8")
    ended = _run(checkout, DVC_EXP_NAME="short")
    line = "error: params.yaml: seed changed in that file alone; run `dvc exp run` without --no-hydra\n"
    assert (ended.returncode, ended.stderr) == (2, line)
    assert _run(checkout).stdout.startswith("params.yaml was changed by hand (seed); rebuilt")


def test_help_says_what_is_read_and_written(checkout: Path) -> None:
    ended = _run(checkout, "--help")
    assert ended.returncode == 0
    assert "overrides.yaml" in ended.stdout
    assert "params.yaml" in ended.stdout
    assert not (checkout / "params.yaml").exists()
