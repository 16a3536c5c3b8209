"""How much each key of a search matters, by what Optuna makes of its trials."""

import pytest

from plainmlp.sweeps.search.journal import _trials, importances
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


def test_pauses_of_halving_are_of_one_trial_and_equal_draws_of_others_are_not():
    first = record()["trials"][0]
    pauses = [{**first, "stop_after": 2, "value": 0.5}, {**first, "stop_after": None, "value": 0.75}]
    (halved,) = _trials(record(settings={"method": "halving"}, trials=pauses))
    assert (halved.state.name, halved.value, halved.intermediate_values) == ("COMPLETE", 0.75, {2: 0.5})
    paused, whole = _trials(record(trials=pauses))
    assert (paused.state.name, whole.state.name, whole.intermediate_values) == ("PRUNED", "COMPLETE", {})
