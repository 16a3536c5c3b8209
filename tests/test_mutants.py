"""What `make mutants` draws from: changes that there are, modules that have tests."""

import ast
from collections import Counter

import pytest

import mutants
from checkouts import ROOT
from explained import EXPLAINED
from mutants import PACKAGE, sample

pytestmark = pytest.mark.slow

WINGS = ("nn", "proof", "sweeps")
EVERY = 10**6


@pytest.fixture(scope="module")
def all_mutants():
    return [mutant for wing in WINGS for mutant in sample(wing, EVERY, seed=0)]


def test_explained_changes_are_still_there(all_mutants):
    lines = {(PACKAGE / module, line) for module, line, _ in EXPLAINED}
    texts = {file: (ROOT / file).read_text(encoding="utf-8").splitlines() for file, _ in lines}
    changed = {file: [node.lineno for node, _, _ in mutants.edits(ast.parse("\n".join(texts[file])))] for file in texts}
    found = Counter(
        (file.relative_to(PACKAGE).as_posix(), *mutants.described(file, number)[1:])
        for file, number in all_mutants
        if file in texts and (file, texts[file][changed[file][number] - 1].strip()) in lines
    )
    assert {key: found[key] for key in EXPLAINED} == dict.fromkeys(EXPLAINED, 1)


def test_every_module_has_tests_that_may_notice(all_mutants):
    for file in {file for file, _ in all_mutants}:
        for _, _, _, _, *paths in [*mutants.quick_tests(file), mutants.slow_tests(file)]:
            assert paths
            assert all((ROOT / path).is_file() for path in paths)


def test_tests_that_are_all_left_out_have_noticed_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "CHECKOUT", tmp_path, raising=False)
    (tmp_path / "test_it.py").write_text("def test_it() -> None:\n    raise ValueError\n")
    assert not mutants.fails(("-k", "another", "test_it.py"), 60)
    assert mutants.fails(("-k", "it", "test_it.py"), 60)


def test_a_sample_is_that_of_its_seed():
    assert sample("nn", 9, seed=1) == sample("nn", 9, seed=1) != sample("nn", 9, seed=2)
