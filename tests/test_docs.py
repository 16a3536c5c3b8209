"""The documentation names what there is."""

from itertools import chain
from pathlib import Path

import pytest

from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.optimizers import OPTIMIZERS
from plainmlp.nn.schedules import SCHEDULES

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(chain(ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES)))
def test_definitions_name_every_entry(name):
    assert f"`{name}`" in DEFINITIONS


@pytest.mark.parametrize("experiment", sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")))
def test_readme_names_every_experiment(experiment):
    assert f"`{experiment}`" in (ROOT / "README.md").read_text(encoding="utf-8")
