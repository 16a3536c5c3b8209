"""The pictures of a search: which are drawn, what they show, and that their files are the same from run to run."""

import pytest

from plainmlp.sweeps.figures.searches import draw_history, draw_search_figures
from plainmlp.system.files import digest_file
from searched import record

IMPORTANCES = {"model.dropout": 0.75, "optimizer.learning_rate": 0.25}
LOOKED_AT = {"history.png": "fa71a5ee624abb3f", "importance.png": "f16dad719d8fba9e", "slices.png": "562779fc086ae13b"}


def searched(metric="validation_accuracy"):
    """Return the record of a search that paused every fourth trial, and lost every ninth."""
    trials = record()["trials"]
    for number, trial in enumerate(trials):
        trial["stop_after"] = 2 if number % 4 == 3 else None
        trial["value"] = None if number % 9 == 8 else trial["value"]
    return record(trials=trials, metric=metric)


def test_pictures_are_as_they_were_when_looked_at(tmp_path):
    draw_search_figures(searched(), IMPORTANCES, tmp_path)
    drawn = {path.name: digest_file(path)[:16] for path in sorted(tmp_path.iterdir())}
    assert drawn == LOOKED_AT, f"look at {tmp_path}; where all is well, these are the digests"


@pytest.mark.parametrize(("metric", "best"), [("validation_accuracy", max), ("validation_loss", min)])
def test_best_so_far_is_that_of_the_trials_trained_to_the_end(metric, best):
    drawn = searched(metric)
    whole = [
        (number, trial["value"])
        for number, trial in enumerate(drawn["trials"])
        if trial["value"] is not None and trial["stop_after"] is None
    ]
    (line,) = draw_history(drawn).axes[0].lines
    assert [*line.get_xdata()] == [number for number, _ in whole]
    assert [*line.get_ydata()] == [best(value for _, value in whole[: end + 1]) for end in range(len(whole))]


def test_without_importances_there_is_no_picture_of_them(tmp_path):
    draw_search_figures(searched(), {}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.png", "slices.png"]


def test_search_without_results_has_no_pictures(tmp_path):
    draw_search_figures(record(trials=[{**trial, "value": None} for trial in record()["trials"]]), {}, tmp_path)
    assert list(tmp_path.iterdir()) == []
