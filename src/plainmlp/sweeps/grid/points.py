"""The points of a sweep, each identified by what it computes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plainmlp.config.canonical import canonical
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config, DatasetSection, SplitSection
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_splits
from plainmlp.sweeps.grid.grid import Overrides
from plainmlp.system.files import digest_file
from plainmlp.tracking.provenance.identity import identify_point

SplitsOf = Callable[[DatasetSection, SplitSection], Splits]


@dataclass(frozen=True)
class Point:
    """One training of a sweep: overrides as Hydra takes them, the configuration with absolute paths, and its id.

    Its training goes on from the checkpoints of `training_id`: that of all epochs where `training.stop_after` is set.
    """

    overrides: Overrides
    config: Config
    point_id: str
    whole_id: str | None = None

    @property
    def training_id(self) -> str:
        """Return the id of the training of all epochs."""
        return self.whole_id or self.point_id


def identifier(checkout: Path, splits_of: SplitsOf) -> Callable[[Overrides, Config], Point]:
    """Return what identifies the points of a sweep.

    Relative paths are looked for in the current folder, then in the checkout. The same data is asked for once.
    """
    digest_weights = cache(digest_file)
    digest_data = cache(lambda dataset, split: digest_splits(splits_of(dataset, split)))

    def identify(overrides: Overrides, given: Config) -> Point:
        config = found_inputs(given, checkout)
        weights = None if config.model.weights is None else digest_weights(Path(config.model.weights))
        data = digest_data(config.dataset, config.split)
        ids = [identify_point(canonical(each), data, weights) for each in (config, whole(config))]
        return Point(overrides, config, *ids)

    return identify


def whole(config: Config) -> Config:
    """Return the configuration of the training of all epochs."""
    return config.model_copy(update={"training": config.training.model_copy(update={"stop_after": None})})


def identify_points(chosen: Mapping[Overrides, Config], checkout: Path, splits_of: SplitsOf) -> list[Point]:
    """Return the points of a sweep; of several that compute the same, the first."""
    identify, points = identifier(checkout, splits_of), dict[str, Point]()
    for overrides, config in chosen.items():
        point = identify(overrides, config)
        points.setdefault(point.point_id, point)
    return list(points.values())
