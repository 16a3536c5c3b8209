"""Searches of tiny networks in this process, from overrides without Hydra, and a sweep's own run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run

from configurations import changed
from plainmlp.composition.compose import parse
from plainmlp.config.schema import Config, SweepSection
from plainmlp.sweeps.grid.points import Point, whole
from plainmlp.sweeps.running.job import Job, run_point
from plainmlp.sweeps.search.methods import METHODS
from plainmlp.sweeps.search.search import Search
from plainmlp.sweeps.search.space import Choice, Interval, Space
from plainmlp.tracking.recording.training import open_store, point_of
from plainmlp.tracking.store import Store
from pointed import SMALL, splits_of

SPACE = Space(
    (
        Interval("optimizer.learning_rate", 1e-4, 1e-1, is_log=True),
        Choice("model.activation", ("relu", "tanh")),
        Interval("model.dropout", 0.0, 0.5),
    ),
    seeds=("seed=0", "seed=1"),
)
TINY = {**SMALL, "split__train": 60, "model__hidden_sizes": [3]}


def settings(method: str, **values: object) -> SweepSection:
    given = {"name": None, "exclude": (), "sample": None, "seed": 0, "metric": "auto", **values}
    return SweepSection.model_validate({**given, "method": method})


def search(space: Space, sweep: SweepSection, tracking: dict[str, object], **fixed: object) -> Search:
    """Return a search over tiny networks that are recorded below a tracking address."""

    def check(overrides: Sequence[str]) -> Config:
        own = {key.replace(".", "__"): yaml.safe_load(value) for key, _, value in (o.partition("=") for o in overrides)}
        return parse(changed(**{**TINY, "tracking": tracking, "sweep": sweep.model_dump(mode="json"), **fixed, **own}))

    def identify(overrides: tuple[str, ...], config: Config) -> Point:
        return Point(overrides, config, *(point_of(each, splits_of(config)) for each in (config, whole(config))))

    return Search(space, sweep, check, identify)


def record(**values: object) -> dict[str, Any]:
    """Return the record of a search in which the dropout alone matters."""
    drawn = next(METHODS["random"](SPACE, settings("random", trials=30), 9))
    found = [{"values": t.values, "stop_after": None, "value": 1 - t.values["model.dropout"]} for t in drawn]
    return {
        "settings": {"method": "random"},
        "space": SPACE.record(),
        "metric": "validation_accuracy",
        "trials": found,
        **values,
    }


class Here:
    """A launcher that trains in this process, and counts."""

    def __init__(self, checkout: Path) -> None:
        self.checkout, self.batches = checkout, []

    def __call__(self, jobs: Sequence[Job]) -> None:
        self.batches.append(len(jobs))
        for job in jobs:
            run_point(job.point.config, job.parent, self.checkout)


def parent_of(points: Sequence[Point], checkout: Path) -> tuple[Store, Run]:
    """Return the store of a checkout's points, and the run of the only sweep there."""
    store = open_store(points[0].config.tracking, checkout)
    (parent,) = [run for run in store.client.search_runs([store.experiment_id]) if "sweep_id" in run.data.tags]
    return store, parent
