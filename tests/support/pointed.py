"""Points of small networks on the digits, for the tests of sweeps."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.config.schema import Config
from plainmlp.data.splits import Splits
from plainmlp.data.stages import fetch, split
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.running.archive import Archive
from plainmlp.tracking.recording.training import point_of
from plainmlp.training.model import Trained
from plainmlp.training.train import train

SMALL = {
    "split__train": 100,
    "split__validation": 40,
    "split__test": 40,
    "training__epochs": 3,
    "model__hidden_sizes": [6],
}


def point(**values: object) -> Point:
    """Return the point of a small network with other values, `section__key=value`."""
    config = parse(changed(**{**SMALL, **values}))
    return Point((f"of={values}",), config, point_of(config, splits_of(config)))


def trained_alone(config: Config, **options: object) -> Trained:
    """Train the network of a configuration on its data."""
    return train(splits_of(config), config.seed, config.model, config.optimizer, config.training, **options)


def splits_of(config: Config) -> Splits:
    """Return the data of a configuration; the same for the same sections."""
    return _splits(config.dataset, config.split)


@cache
def _splits(dataset, section) -> Splits:
    return split(fetch(dataset), section, dataset.missing)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_as_trained_alone(archive: Archive, points: Iterable[Point]) -> None:
    """Check that an archive has the weights of points that are trained by themselves."""
    for each in points:
        kept = archive.load(each.point_id)
        assert kept.weights_digest == trained_alone(each.config).model.weights_digest
