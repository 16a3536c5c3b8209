"""Points of small networks on the digits, for the tests of sweeps."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from configurations import changed
from plainmlp.config import parse
from plainmlp.data.arrays import Splits
from plainmlp.recording.training import point_of
from plainmlp.schema import Config
from plainmlp.stages.fetch import fetch
from plainmlp.stages.split import split
from plainmlp.stages.stack import Outcome, Task, train_stack
from plainmlp.sweeps.points import Point

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


def outcomes_of(points: Sequence[Point]) -> list[Outcome]:
    """Train points as one stack and return what became of each."""
    tasks = [Task(each.config.seed, each.config.model, each.config.optimizer, each.config.training) for each in points]
    return train_stack(tasks, splits_of(points[0].config))


def splits_of(config: Config) -> Splits:
    """Return the data of a configuration; the same for the same sections."""
    return _splits(config.dataset, config.split)


@cache
def _splits(dataset, section) -> Splits:
    return split(fetch(dataset), section, dataset.missing)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
