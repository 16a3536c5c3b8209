"""The page of `run.py --help`: every group, file, key, comment and allowed name of conf/."""

import pytest

from configurations import CONF, DEFAULT, refusal
from plainmlp.composition.help import help_page
from plainmlp.data.datasets import DATASETS
from plainmlp.data.scaling import SCALINGS
from plainmlp.nn.activations import ACTIVATIONS
from plainmlp.nn.initializers import INITIALIZERS
from plainmlp.nn.losses import LOSSES
from plainmlp.nn.schedules import SCHEDULES

PAGE = help_page(CONF, [])
# a comment whose names stand in the page, and the table that they come from
TABLES = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "loss": LOSSES,
    "schedule": SCHEDULES,
    "scaling": SCALINGS,
}


@pytest.mark.parametrize("section", sorted(set(DEFAULT) - {"animation", "seed", "sweep"}))
def test_every_key_stands_in_its_section_with_a_comment(section: str) -> None:
    lines = PAGE.partition(f"\n{section}=")[2].partition("\n\n")[0].splitlines()[2:]
    assert {line.split(":")[0].strip() for line in lines} == set(DEFAULT[section]) - _inapplicable(section)
    assert [line for line in lines if " # " not in line and not line.startswith("  name: ")] == []


def _inapplicable(section: str) -> set[str]:
    return set(DEFAULT["dataset"]) - {"name"} if section == "dataset" else set()


@pytest.mark.parametrize("key", TABLES)
def test_every_name_of_a_table_is_said(key: str) -> None:
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"  {key}: ")]
    missing = [name for name in TABLES[key] if name not in line]
    assert not missing, f"add {', '.join(missing)} to the comment of `{key}` in conf/"


def test_files_that_only_others_start_from_are_not_offered() -> None:
    assert f"dataset=digits: what to learn from; files: {', '.join(sorted(DATASETS))}\n" in PAGE
    assert "base/" not in PAGE
    assert "parts/" not in PAGE


def test_a_chosen_file_stands_with_the_keys_that_it_starts_from() -> None:
    page = help_page(CONF, ["optimizer=nadam", "experiment=mnist", "seed=3", "-x"])
    section = page.partition("\noptimizer=nadam: ")[2].partition("\n\n")[0]
    assert "  name: nadam\n  learning_rate: 0.001 # length of a step" in section
    assert section.count("learning_rate") == 1
    assert "  momentum_decay: 0.004 # how soon" in section
    assert "\n  split:\n    validation: 0.05\n" in page.partition("\nexperiment=mnist: ")[2]


def test_a_file_that_is_not_there_is_refused() -> None:
    assert refusal(help_page, CONF, ["optimizer=adamm"]).startswith(
        "optimizer='adamm' is unknown; did you mean 'adam'?"
    )
