from pathlib import Path

from plainmlp.config.places import Places


def test_files_have_the_names_that_scripts_rely_on():
    places = Places(Path("run"))
    assert places.model == Path("run/models/model.safetensors")
    assert places.metrics == Path("run/reports/metrics.json")
    assert places.intervals == Path("run/reports/intervals.json")
    assert places.history == Path("run/reports/history.csv")
    assert places.steps == Path("run/reports/steps.csv")
    assert places.predictions == Path("run/reports/predictions.csv")
    assert places.figures == Path("run/reports/figures")
    assert places.learning_curves == Path("run/reports/learning_curves")
    assert places.intervals == Path("run/reports/intervals.json")
