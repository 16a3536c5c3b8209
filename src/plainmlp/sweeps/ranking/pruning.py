"""What successive halving has pruned: of each candidate the training that came furthest."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace

from plainmlp.sweeps.ranking.results import SEED, SweepResults
from plainmlp.sweeps.ranking.swept import STOP_AFTER, Identity, identity

METHOD = "sweep.method"


def stopped_after(parameters: Mapping[str, str]) -> float:
    """Return the epochs after which successive halving compared a training; infinite if it was to end by itself."""
    epochs = json.loads(parameters.get(STOP_AFTER, "null")) if _is_halved(parameters) else None
    return math.inf if epochs is None else float(epochs)


def furthest(results: SweepResults) -> SweepResults:
    """Return the results without those of trainings that went on: each of them has a point of its own."""
    reached: dict[tuple[Identity, str], float] = {}
    for child in results.children:
        candidate = _candidate(child.parameters)
        reached[candidate] = max(stopped_after(child.parameters), reached.get(candidate, 0.0))

    def is_furthest(parameters: Mapping[str, str]) -> bool:
        return stopped_after(parameters) == reached[_candidate(parameters)]

    return replace(
        results,
        finished=tuple(result for result in results.finished if is_furthest(result.child.parameters)),
        failed=tuple(failure for failure in results.failed if is_furthest(failure.child.parameters)),
    )


def _candidate(parameters: Mapping[str, str]) -> tuple[Identity, str]:
    """Return what the trainings of one candidate from one seed share."""
    shared = {key: value for key, value in parameters.items() if key != STOP_AFTER or not _is_halved(parameters)}
    return identity(shared), parameters.get(SEED, "")


def _is_halved(parameters: Mapping[str, str]) -> bool:
    return parameters.get(METHOD) == "halving"
