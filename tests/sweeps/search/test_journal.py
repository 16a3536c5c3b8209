"""The pictures and importances of a search, and what Optuna makes of its trials."""

import pytest

from plainmlp.sweeps.figures.searches import draw_search_figures
from plainmlp.sweeps.search.journal import importances
from plainmlp.sweeps.search.methods import METHODS
from searched import SPACE, settings


def record(**values):
    """Return the record of a search in which the dropout alone matters."""
    drawn = next(METHODS["random"](SPACE, settings("random", trials=30), 9))
    found = [{"values": t.values, "stop_after": None, "value": 1 - t.values["model.dropout"]} for t in drawn]
    return {
        "settings": {"method": "random"},
        "space": SPACE.record(),
        "metric": "validation_accuracy",
        "trials": found,
        **values,
    }


def test_importance_is_of_the_key_that_matters():
    found = importances(record())
    assert next(iter(found)) == "model.dropout"
    assert found["model.dropout"] > 0.9
    assert sum(found.values()) == pytest.approx(1)


def test_importance_needs_values_that_differ():
    trials = [{**trial, "value": value} for value in (0.5, None) for trial in record()["trials"]]
    assert importances(record(trials=trials)) == {}


@pytest.mark.slow
def test_same_search_gives_the_same_pictures(tmp_path):
    for name in ("first", "second"):
        draw_search_figures(record(), importances(record()), tmp_path / name)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["history.png", "importance.png", "slices.png"]
    assert [(tmp_path / "first" / name).read_bytes() for name in names] == [
        (tmp_path / "second" / name).read_bytes() for name in names
    ]


def test_search_without_results_has_no_pictures(tmp_path):
    draw_search_figures(record(trials=[{**trial, "value": None} for trial in record()["trials"]]), {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
