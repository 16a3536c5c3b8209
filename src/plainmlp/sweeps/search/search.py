"""A search as a sweep: batches of points, each asked for once the one before has ended, and a record of what was asked."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from plainmlp.config.schema import Config, SweepSection
from plainmlp.nn.early_stopping import is_higher_better
from plainmlp.sweeps.figures.searches import draw_search_figures
from plainmlp.sweeps.grid.grid import MAX_POINTS, Overrides
from plainmlp.sweeps.grid.points import Point
from plainmlp.sweeps.ranking.results import SweepResults
from plainmlp.sweeps.ranking.swept import STOP_AFTER
from plainmlp.sweeps.search.journal import JOURNAL, importances, write_journal
from plainmlp.sweeps.search.methods import METHODS, Asking, Costs, Trial, library_of
from plainmlp.sweeps.search.space import Space, space_of
from plainmlp.system.digests import digest_json
from plainmlp.system.errors import InputError
from plainmlp.system.files import write_json

RECORD = "search.json"
SETTINGS = ("method", "trials", "batch", "seed", "metric", "rungs", "reduction")  # what the trials follow from
IDENTITY = ("settings", "space", "seeds", "epochs", "libraries", "first")  # keys of a record
OF_GRIDS = ("exclude", "sample")
Check = Callable[[Overrides], Config]
Identify = Callable[[Overrides, Config], Point]


class Search:
    """A sweep whose points follow from the results of those before.

    No database keeps it: started again it asks again, and finds the same points trained. Its id is a digest of what the
    trials follow from, and of the first points, which stand for code and data.

    Parameters
    ----------
    space : Space
    settings : SweepSection
        Its `method` is one of METHODS.
    check : callable (overrides) -> Config
    identify : callable (overrides, Config) -> Point

    Attributes
    ----------
    first : list of Point
        Those that are asked for before there is a result.
    sweep_id : str
    parameters : dict
        What is recorded of the search beside its points.
    common : frozenset of str
        The overrides of every point.

    Raises
    ------
    InputError
        The settings do not suit the method, a library is missing, or an edge of the space is not allowed.
    """

    def __init__(self, space: Space, settings: SweepSection, check: Check, identify: Identify) -> None:
        _check_settings(space, settings)
        libraries = library_of(settings.method)
        epochs = {check(overrides).training.epochs for edge in space.edges() for overrides in space.overrides(edge)}
        if settings.method == "halving" and len(epochs) > 1:
            message = f"sweep.method=halving compares after the same epochs, but training.epochs is one of {epochs}"
            raise InputError(message)
        self._space, self._check, self._identify = space, check, identify
        self._asking = METHODS[settings.method](space, settings, max(epochs))
        self._head: dict[str, Any] = {
            "settings": {name: getattr(settings, name) for name in SETTINGS},
            "space": space.record(),
            "seeds": list(space.seeds),
            "epochs": max(epochs),
            "libraries": libraries,
        }
        self.common = frozenset(space.fixed)
        self.parameters = {f"sweep.{name}": str(value) for name, value in self._head["settings"].items()}
        self._metric = settings.metric
        self._trials: list[dict[str, Any]] = []
        self.first = self._points(next(self._asking))
        self._head["first"] = sorted(point.point_id for point in self.first)
        self.sweep_id = search_id(self._head)

    def after(self, results: SweepResults) -> list[Point]:
        """Return the points to run next, once those asked for have ended; none at the end."""
        self._metric, values = results.metric, values_of(results)
        for trial in self._trials:
            trial["value"] = _mean(trial["points"], values)
        return self._points(_asked(self._asking, costs_of(self._trials[-self._n_new :], results)))

    def _points(self, trials: Sequence[Trial]) -> list[Point]:
        """Take in trials, and return their points: of each, one a seed."""
        self._n_new, points = len(trials), list[Point]()
        for trial in trials:
            paused = () if trial.stop_after is None else (f"{STOP_AFTER}={trial.stop_after}",)
            asked = [(*overrides, *paused) for overrides in self._space.overrides(trial.values)]
            own = [self._identify(overrides, self._check(overrides)) for overrides in asked]
            self._trials.append({**asdict(trial), "points": [point.point_id for point in own], "value": None})
            points += own
        return points

    def record(self) -> dict[str, Any]:
        """Return what was asked and what it was worth, as plain values."""
        return {**self._head, "metric": self._metric, "trials": self._trials}

    def write(self, folder: Path) -> None:
        """Write the record and its figures to a folder, and a journal where Optuna is there."""
        record, has_optuna = self.record(), find_spec("optuna") is not None
        write_json(folder / RECORD, record)
        if has_optuna:
            write_journal(record, self.sweep_id[:12], folder / JOURNAL)
        draw_search_figures(record, importances(record) if has_optuna else {}, folder / "figures")


def _check_settings(space: Space, settings: SweepSection) -> None:
    """Refuse settings that the method does not take."""
    if settings.trials is None and settings.method != "halving":
        message = f"sweep.trials=null is not allowed with sweep.method={settings.method}; it must be at least 1"
        raise InputError(message)
    for name in OF_GRIDS:
        if getattr(settings, name):
            message = f"sweep.{name} belongs to grids, not to sweep.method={settings.method}; leave it out"
            raise InputError(message)
    n_points = (settings.trials or space.n_combinations) * max(1, len(space.seeds))
    if n_points > MAX_POINTS:
        message = f"sweep.trials={settings.trials} gives {n_points:,} points; allowed: at most {MAX_POINTS:,}"
        raise InputError(message)


def search_id(record: Mapping[str, Any]) -> str:
    """Return the id of the search that a record is of."""
    return digest_json({key: record[key] for key in IDENTITY})


def values_of(results: SweepResults) -> dict[str, float]:
    """Return the value of each point that has one."""
    return {result.child.point_id: result.value for result in results.finished}


def costs_of(trials: Sequence[Mapping[str, Any]], results: SweepResults) -> list[float | None]:
    """Return what recorded trials cost: the mean of their points, negative where higher is better."""
    values, sign = values_of(results), -1.0 if is_higher_better(results.metric) else 1.0
    means = [_mean(trial["points"], values) for trial in trials]
    return [None if mean is None else sign * mean for mean in means]


def _mean(points: Sequence[str], values: Mapping[str, float]) -> float | None:
    """Return the mean value of points; None where one of them has none."""
    found = [values[point] for point in points if point in values]
    return math.fsum(found) / len(found) if found and len(found) == len(points) else None


def replay(record: Mapping[str, Any], results: SweepResults) -> int | None:
    """Ask again what a record says was asked, given the results; return the number of the first trial that differs."""
    settings = SweepSection.model_validate({"name": None, "exclude": (), "sample": None, **record["settings"]})
    space = space_of(record["space"])
    _check_settings(space, settings)
    asking = METHODS[settings.method](space, settings, record["epochs"])
    parameters = {child.point_id: child.parameters for child in results.children}
    trials, done = record["trials"], 0
    batch = next(asking)
    while batch:
        recorded = trials[done : done + len(batch)]
        if len(recorded) < len(batch):
            return len(trials)
        for trial, each in zip(batch, recorded, strict=True):
            is_same = asdict(trial) == {name: each[name] for name in ("values", "stop_after")}
            if not (is_same and all(_has(parameters.get(point), trial) for point in each["points"])):
                return done
            done += 1
        batch = _asked(asking, costs_of(recorded, results))
    return None if done == len(trials) else done


def _asked(asking: Asking, costs: Costs) -> list[Trial]:
    """Return the trials that a method asks for next, given the costs of the last; none at its end."""
    try:
        return asking.send(costs)
    except StopIteration:
        return []


def _has(parameters: Mapping[str, str] | None, trial: Trial) -> bool:
    """Say whether a point, given by its recorded parameters, has the numbers of a trial."""
    numbers = {**trial.values, STOP_AFTER: trial.stop_after}
    return parameters is not None and all(
        json.loads(parameters[key]) == value
        for key, value in numbers.items()
        if key in parameters and not isinstance(value, str)
    )
