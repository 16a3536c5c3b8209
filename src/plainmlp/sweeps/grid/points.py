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
from plainmlp.system.digests import digest_json
from plainmlp.system.files import digest_file
from plainmlp.tracking.provenance.identity import identify_point

SplitsOf = Callable[[DatasetSection, SplitSection], Splits]


@dataclass(frozen=True)
class Point:
    """One training of a sweep: overrides as Hydra takes them, the configuration with absolute paths, and its id."""

    overrides: tuple[str, ...]
    config: Config
    point_id: str


def identify_points(candidates: Iterable[Candidate], checkout: Path, splits_of: SplitsOf) -> list[Point]:
    """Return the points of a sweep; of several that compute the same, the first.

    Relative paths are looked for in the current folder, then in the checkout. The same data is asked for once.
    """
    digest_data, digest_weights = _data_digests(splits_of), cache(digest_file)
    points: dict[str, Point] = {}
    for candidate in candidates:
        config = found_inputs(candidate.config, checkout)
        weights = None if config.model.weights is None else digest_weights(Path(config.model.weights))
        point_id = identify_point(canonical(config), digest_data(config), weights)
        points.setdefault(point_id, Point(candidate.overrides, config, point_id))
    return list(points.values())


def _data_digests(splits_of: SplitsOf) -> Callable[[Config], str]:
    """Return a function that digests the data of a configuration, each data set once."""
    digests: dict[str, str] = {}

    def digest(config: Config) -> str:
        key = digest_json([section.model_dump(mode="json") for section in (config.dataset, config.split)])
        if key not in digests:
            digests[key] = digest_splits(splits_of(config.dataset, config.split))
        return digests[key]

    return digest
