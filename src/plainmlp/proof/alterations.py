"""Alterations: where the record of a run contradicts itself, so that something was changed after the run."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from plainmlp.config.canonical import parse_yaml
from plainmlp.proof.comparison import is_same
from plainmlp.proof.recorded import Recorded
from plainmlp.system.files import digest_file, read_json
from plainmlp.tracking.parameters import flat_parameters


def find_alterations(recorded: Recorded) -> list[str]:
    """Return what in a record does not fit the rest of it, a line each.

    Parameters
    ----------
    recorded : Recorded

    Notes
    -----
    Exact: within a record nothing is rounded.
    """
    return [
        *find_untrusted(recorded),
        *_altered_file(recorded, "environment_digest", recorded.packages),
        *(f"{name} {problem}" for name, problem in recorded.results.problems.items()),
        *_altered_tags(recorded),
        *_altered_parameters(recorded),
        *_altered_model(recorded),
        *_altered_curves(recorded),
        *_altered_metrics(recorded),
    ]


def find_untrusted(recorded: Recorded) -> list[str]:
    """Return the alterations of what a re-execution would be made from."""
    return [
        *_altered_file(recorded, "configuration_digest", recorded.configuration),
        *_altered_file(recorded, "git_diff_digest", recorded.patch),
    ]


def _altered_file(recorded: Recorded, tag: str, file: Path) -> Iterator[str]:
    """Compare a file with the digest that a tag has of it."""
    digest = recorded.results.tags.get(tag)
    if digest is None:
        return
    if not file.exists():
        yield f"{file.name} is missing"
    elif digest_file(file) != digest:
        yield f"{file.name} does not have the {tag} of the run"


def _altered_tags(recorded: Recorded) -> Iterator[str]:
    """Compare the tags with the file that was written with them."""
    if not recorded.provenance.exists():
        return
    for key, value in read_json(recorded.provenance).items():
        found = recorded.results.tags.get(key)
        if found != value:
            yield f"the tag {key} is {found!r}, in provenance.json {value!r}"


def _altered_parameters(recorded: Recorded) -> Iterator[str]:
    """Compare MLflow's parameters with config.yaml."""
    written = flat_parameters(parse_yaml(recorded.configuration.read_text(encoding="utf-8")))
    for key in sorted(written.keys() | recorded.parameters.keys()):
        found, wanted = recorded.parameters.get(key), written.get(key)
        if found != wanted:
            yield f"the parameter {key} is {found!r} in MLflow and {wanted!r} in config.yaml"


def _altered_model(recorded: Recorded) -> Iterator[str]:
    """Compare the model with its digest, and with the copy that MLflow serves."""
    model, tags = recorded.results.model, recorded.results.tags
    if model is not None and model.weights_digest != tags.get("weights_digest", model.weights_digest):
        yield "the weights in model.safetensors do not have the weights_digest of the run"
    served, places = recorded.served_model, recorded.places
    if served.exists() and places.model.exists() and served.read_bytes() != places.model.read_bytes():
        yield "the model that MLflow serves is not model.safetensors"


def _altered_curves(recorded: Recorded) -> Iterator[str]:
    """Compare the points that MLflow has of each curve with history.csv."""
    for name, points in recorded.curves.items():
        wanted = list(enumerate(map(as_stored, recorded.results.history[name])))
        if not _are_same(points, wanted):
            yield f"the curve {name} in MLflow is not that of history.csv"


def _are_same(points: Sequence[tuple[int, float]], wanted: Sequence[tuple[int, float]]) -> bool:
    distinct = list(dict.fromkeys(points))  # a point that was sent twice is no other point
    return len(distinct) == len(wanted) and all(
        a == b and is_same(first, second) for (a, first), (b, second) in zip(distinct, wanted, strict=True)
    )


def _altered_metrics(recorded: Recorded) -> Iterator[str]:
    """Compare MLflow's final metrics with metrics.json and intervals.json."""
    names = recorded.written.keys() & recorded.metrics.keys() - recorded.curves.keys()
    for name in sorted(names):
        found, written = recorded.metrics[name], recorded.written[name]
        if not is_same(found, as_stored(written)):
            yield f"the metric {name} is {found!r} in MLflow and {written!r} in its file"


def as_stored(value: float) -> float:
    """Return a number as MLflow keeps it: the largest one in place of infinity."""
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value
