"""What the best constant answer scores, under whichever metric ranks a sweep."""

from pathlib import Path

import numpy as np
import pytest

from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import SweepResults, with_baseline
from plainmlp.sweeps.running.archive import Archive
from recorded import configuration

SINCOS = {"dataset": {"name": "sincos", "n_samples": 300}, "split__stratify": False}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def score(archive: Archive, metric: str, *settings: dict[str, object]) -> float | None:
    points = [Point((), configuration(**each), str(place)) for place, each in enumerate(settings)]
    return with_baseline(SweepResults(metric, (), ()), archive, points).baseline


def test_shares_of_the_classes_and_means_of_the_targets(archive: Archive) -> None:
    assert score(archive, "validation_accuracy", {}) == pytest.approx(0.1, abs=0.02)
    splits = archive.data.splits(configuration(**SINCOS).dataset, configuration(**SINCOS).split)
    difference = splits.validation.targets - splits.train.targets.mean(axis=0)
    of_loss = (0.5 * (difference / splits.train.targets.std(axis=0)) ** 2).sum(axis=1).mean()
    assert score(archive, "validation_loss", SINCOS) == pytest.approx(of_loss)
    assert score(archive, "validation_mean_squared_error", SINCOS) == pytest.approx(np.mean(difference**2))


def test_none_where_points_cannot_share_one(archive: Archive) -> None:
    other_loss = {**SINCOS, "model__loss": "absolute_error"}
    assert score(archive, "validation_loss", other_loss) is not None
    assert score(archive, "validation_loss", SINCOS, other_loss) is None
    assert score(archive, "validation_loss", {}) is None  # of classes
    assert score(archive, "validation_accuracy", {}, {"split__seed": 1}) is None
    assert score(archive, "validation_accuracy", {"split__validation": 0}) is None
