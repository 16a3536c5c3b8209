"""What the tab key offers."""

import subprocess

import pytest

from checkouts import ROOT, environment
from plainmlp.composition.completion import TABLES, offered
from plainmlp.config.schema import Config


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("model.activation=t", ["model.activation=tanh"]),
        ("model.activation=relu,si", ["model.activation=relu,sigmoid", "model.activation=relu,silu"]),
        ("training.dtype=", ["training.dtype=float32", "training.dtype=float64"]),
        ("training.shuffle=f", ["training.shuffle=false"]),
        ("dataset.missing=m", ["dataset.missing=mean", "dataset.missing=median"]),
        ("training.epochs=", []),
        ("model.act", []),
    ],
)
def test_values_of_closed_sets_are_offered(word: str, expected: list[str]) -> None:
    assert offered(f"python pipelines/run.py seed=1 {word}") == expected


def test_every_table_is_of_a_key() -> None:
    for key in TABLES:
        section, name = key.split(".")
        assert name in Config.model_fields[section].annotation.model_fields


@pytest.mark.slow
def test_bash_offers_them_for_the_script() -> None:
    line = "python pipelines/run.py model.activation=ta"
    lines = [
        'eval "$(python pipelines/run.py -sc install=bash)"',
        f"COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_CWORD=2",
        "hydra_bash_completion",
        'echo "${COMPREPLY[@]}"',
    ]
    ended = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT / "src")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.strip() == "model.activation=tanh", ended.stderr
