"""What `plainmlp` itself offers, and what it does not import on the way."""

import subprocess
import sys

import pytest

import plainmlp

HEAVY = (
    "numpy",
    "numba",
    "sklearn",
    "scipy",
    "pandas",
    "pydantic",
    "hydra",
    "omegaconf",
    "dvc",
    "mlflow",
    "matplotlib",
)


def imported(statement: str) -> set[str]:
    """Return which of the slow libraries a new process has imported after a statement."""
    code = f"{statement}\nimport sys; print(*({HEAVY!r} & sys.modules.keys()))".replace(repr(HEAVY), repr(set(HEAVY)))
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_the_package_alone_imports_nothing():
    assert imported("import plainmlp") == set()


def test_networks_need_numpy_alone():
    assert imported("from plainmlp import MLP, Architecture, Examples, Recipe") == {"numpy"}


@pytest.mark.slow
def test_estimators_need_scikit_learn_and_nothing_of_the_pipeline():
    assert not imported("from plainmlp import MLPClassifier, MLPRegressor") & {"mlflow", "hydra", "dvc", "omegaconf"}


def test_all_that_is_offered_is_there_and_listed():
    names = {"Architecture", "Examples", "MLP", "MLPClassifier", "MLPRegressor", "Recipe"}
    assert {getattr(plainmlp, name).__name__ for name in names} == names
    assert names <= set(dir(plainmlp))


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="'plainmlp' has no attribute 'MLPClasifier'"):
        plainmlp.MLPClasifier  # noqa: B018
