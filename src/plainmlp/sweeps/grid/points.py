"""The points of a sweep, each identified by what it computes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from plainmlp.config.canonical import canonical
from plainmlp.config.inputs import found_inputs
from plainmlp.config.schema import Config, DatasetSection, SplitSection
from plainmlp.data.splits import Splits
from plainmlp.data.storage import digest_splits
from plainmlp.sweeps.grid.grid import Candidate
from plainmlp.system.files import digest_file
from plainmlp.tracking.provenance.identity import identify_point

SplitsOf = Callable[[DatasetSection, SplitSection], Splits]


@dataclass(frozen=True)
class Point:
    """One training of a sweep: overrides as Hydra takes them, the configuration with absolute paths, and its id."""

    overrides: tuple[str, ...]
    config: Config
    point_id: str


def identifier(checkout: Path, splits_of: SplitsOf) -> Callable[[Candidate], Point]:
    """Return what identifies the points of a sweep.

    Relative paths are looked for in the current folder, then in the checkout. The same data is asked for once.
    """
    digest_weights = cache(digest_file)
    digest_data = cache(lambda dataset, split: digest_splits(splits_of(dataset, split)))

    def identify(candidate: Candidate) -> Point:
        config = found_inputs(candidate.config, checkout)
        weights = None if config.model.weights is None else digest_weights(Path(config.model.weights))
        point_id = identify_point(canonical(config), digest_data(config.dataset, config.split), weights)
        return Point(candidate.overrides, config, point_id)

    return identify


def identify_points(candidates: Iterable[Candidate], checkout: Path, splits_of: SplitsOf) -> list[Point]:
    """Return the points of a sweep; of several that compute the same, the first."""
    points: dict[str, Point] = {}
    for point in map(identifier(checkout, splits_of), candidates):
        points.setdefault(point.point_id, point)
    return list(points.values())
