"""How much each key of a search matters, by what Optuna makes of its trials."""

import pytest

from plainmlp.sweeps.search.journal import importances
from searched import record


def test_importance_is_of_the_key_that_matters():
    found = importances(record())
    assert next(iter(found)) == "model.dropout"
    assert found["model.dropout"] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_importance_is_measured_where_two_values_differ():
    trials = [{**trial, "value": float(trial["values"]["model.dropout"] < 0.25)} for trial in record()["trials"]]
    assert next(iter(importances(record(trials=trials)))) == "model.dropout"


def test_importance_needs_values_that_differ():
    trials = [{**trial, "value": value} for value in (0.5, None) for trial in record()["trials"]]
    assert importances(record(trials=trials)) == {}
