from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configurations import refusal
from plainmlp.composition.overrides import read_overrides, write_overrides


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(overrides=st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20), max_size=4))
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
