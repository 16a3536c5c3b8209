"""What `make mutants` draws from: changes that there are, modules that have tests."""

import pytest

import mutants
from checkouts import ROOT
from explained import EXPLAINED
from mutants import PACKAGE, described, sample

WINGS = ("nn", "proof", "sweeps")
EVERY = 10**6


@pytest.fixture(scope="module")
def all_mutants():
    return [mutant for wing in WINGS for mutant in sample(wing, EVERY, seed=0)]


def test_explained_changes_are_still_there(all_mutants):
    named = {module for module, _ in EXPLAINED}
    found = [(file.relative_to(PACKAGE).as_posix(), (file, number)) for file, number in all_mutants]
    assert set(EXPLAINED) <= {(module, described(*mutant)[1]) for module, mutant in found if module in named}


def test_every_module_has_tests_that_may_notice(all_mutants):
    for file in {file for file, _ in all_mutants}:
        assert mutants.tests_of(file), file
        for _, _, *paths in mutants.tests_of(file):
            assert paths
            assert all((ROOT / path).is_file() for path in paths)


def test_a_sample_is_that_of_its_seed():
    assert sample("nn", 9, seed=1) == sample("nn", 9, seed=1) != sample("nn", 9, seed=2)
