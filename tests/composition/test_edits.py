import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainmlp.composition.edits import edited_sections, edits_as_overrides, literal, marks_line, with_edits
from plainmlp.system.errors import InputError

COMPOSED = {"seed": 0, "optimizer": {"name": "adam", "learning_rate": 0.001}, "model": {"l1": 0.0, "bias": True}}
TEXT = marks_line(COMPOSED)


def test_untouched_parameters_are_no_edit() -> None:
    assert edited_sections(TEXT, COMPOSED) == []
    assert edits_as_overrides(TEXT, COMPOSED, COMPOSED) == []


def test_edit_of_conf_alone_is_no_edit_of_params() -> None:
    assert edits_as_overrides(TEXT, COMPOSED, COMPOSED | {"seed": 7}) == []


@pytest.mark.parametrize(
    ("change", "overrides"),
    [
        ({"seed": 3}, ["seed=3"]),
        ({"optimizer": "sgd"}, ["optimizer='sgd'"]),
        ({"optimizer": {"name": "adam", "learning_rate": 1}}, ["optimizer.learning_rate=1"]),
        ({"model": {"l1": 0.0, "bias": 1}}, ["model.bias=1"]),
        ({"model": {"bias": True}}, ["~model.l1"]),
        ({"experiment": "wide"}, ["experiment='wide'"]),
    ],
)
def test_edit_becomes_an_override(change: dict[str, object], overrides: list[str]) -> None:
    assert edits_as_overrides(TEXT, COMPOSED | change, COMPOSED) == overrides


def test_edits_stand_beside_another_section_edited_in_conf() -> None:
    conf = COMPOSED | {"model": {"l1": 0.1, "bias": True}}
    assert edits_as_overrides(TEXT, COMPOSED | {"seed": 3}, conf) == ["seed=3"]


def test_section_edited_on_both_sides_is_refused() -> None:
    conf = COMPOSED | {"optimizer": {"name": "adam", "learning_rate": 0.1}}
    found = COMPOSED | {"optimizer": {"name": "sgd", "learning_rate": 0.001}}
    with pytest.raises(InputError, match=r"optimizer was changed there.*overrides.yaml:overrides"):
        edits_as_overrides(TEXT, found, conf)


def test_lost_marks_are_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        edits_as_overrides("", COMPOSED | {"seed": 3}, COMPOSED)


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


@given(st.lists(st.sampled_from(["\\", "$", "{", "}", "'", "a", "${", "${oc.env:HOME}"]), max_size=9).map("".join))
def test_interpolation_in_a_literal_is_text(text: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    value = OverridesParser.create().parse_override(f"key={literal([text])}").value()
    assert OmegaConf.to_container(OmegaConf.create({"key": value}), resolve=True) == {"key": [text]}
