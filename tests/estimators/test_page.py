"""The page on the estimators shows what comes out."""

import doctest
from pathlib import Path

import pytest

from plainmlp import MLPClassifier
from plainmlp.nn.optimizers import OPTIMIZERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators.md"


@pytest.mark.filterwarnings("ignore:max_iter=:sklearn.exceptions.ConvergenceWarning")
def test_the_examples_of_the_page_come_to_what_it_shows():
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 20
    assert found.failed == 0


def test_the_page_names_every_parameter_and_no_other_of_scikit_learn():
    from sklearn.neural_network import MLPClassifier as Reference

    page = PAGE.read_text(encoding="utf-8")
    ours, theirs = set(MLPClassifier().get_params()), set(Reference().get_params())
    assert {name for name in ours | theirs if f"`{name}`" not in page} == set()
    (only_there,) = (
        line
        for line in page.splitlines()
        if line.endswith("only there: here they are options of a solver or schedule |")
    )
    assert {name for name in theirs if f"`{name}`" in only_there} == theirs - ours
    assert "lbfgs" not in OPTIMIZERS
