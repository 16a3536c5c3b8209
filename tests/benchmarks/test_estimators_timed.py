"""The timing of grid searches: both sides run, and the line says what was measured."""

import pytest

import estimators


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_both_sides_are_timed(monkeypatch):
    monkeypatch.setattr(estimators, "GRID", {"hidden_layer_sizes": [(8,)]})
    row = estimators.row("the default batches of 200", "float32", 1)
    name, dtype, ours, theirs, ratio, *scores = (cell.strip() for cell in row.strip("|").split("|"))
    assert (name, dtype) == ("the default batches of 200", "float32")
    assert float(ratio) == pytest.approx(float(theirs) / float(ours), rel=0.2)
    assert all(0.1 < float(score) < 1 for score in scores)
    assert row in estimators.section([row])
    assert "4 fits of 20 iterations" in estimators.section([row])
