"""The launcher `stacked`: trains the points of a sweep in processes, each network alone, and records each."""

import logging
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from plainmlp.sweeps.grid.grid import Candidate
    from plainmlp.sweeps.grid.points import Point
    from plainmlp.sweeps.running.job import PointError

log = logging.getLogger(__name__)


@dataclass
class StackedLauncherConf:
    """The settings `hydra.launcher`: how many processes train at once, or null for one a core."""

    _target_: str = "hydra_plugins.plainmlp_launcher.launcher.StackedLauncher"
    n_jobs: int | None = None


ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="plainmlp")


class StackedLauncher(Launcher):
    """Train what the archive does not hold, and record each point as soon as it is there or has failed.

    A point is no job of Hydra's: it has no folder, no log and no callbacks.

    Parameters
    ----------
    n_jobs : int, optional
        How many processes train at once, at least 1; one for each core where it is not given.

    Raises
    ------
    InputError
        `n_jobs` is below 1.
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        from plainmlp.system.errors import InputError

        super().__init__()
        if n_jobs is not None and n_jobs < 1:
            message = f"hydra.launcher.n_jobs={n_jobs} is not allowed; it must be at least 1, or null for one a core"
            raise InputError(message)
        self._n_jobs = n_jobs or _cores()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in what points are composed from, as Hydra calls it."""
        from hydra_plugins.plainmlp_launcher._composition import Composer

        self._config = config
        self._composer = Composer(hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train and record points.

        Parameters
        ----------
        job_overrides : sequence of sequence of str
            For each point its overrides, with those that the sweeper `grid` hands over; no two of one point.
        initial_job_idx : int
            Not used: points have no numbers.

        Returns
        -------
        sequence of JobReturn
            In the order of `job_overrides`.

        Raises
        ------
        InputError
            A point's configuration is not valid, or its data cannot be read, or another sweeper calls; then nothing
            has been trained.
        """
        from plainmlp.sweeps.grid.points import identify_points
        from plainmlp.sweeps.running.archive import FOLDER, Archive
        from plainmlp.sweeps.running.workers import train_points

        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        log.info("Launching %d jobs, trained by %d processes", len(job_overrides), self._n_jobs)
        checkout = self._composer.conf_folder.parent
        archive = Archive(checkout / FOLDER)
        candidates = (self._candidate(tuple(overrides)) for overrides in job_overrides)
        points = {point.point_id: point for point in identify_points(candidates, checkout, archive.splits)}
        returns: dict[str, JobReturn] = {}
        # closed here, and its processes with it, also where recording ends with Ctrl-C
        with closing(train_points(points.values(), archive, self._n_jobs)) as results:
            for point_id, failure in results:
                returns[point_id] = self._record(points[point_id], failure)
        return [returns[point_id] for point_id in points]

    def _candidate(self, overrides: tuple[str, ...]) -> "Candidate":
        from plainmlp.composition.compose import parse
        from plainmlp.sweeps.grid.grid import Candidate
        from plainmlp.sweeps.running.job import PARENT
        from plainmlp.system.errors import InputError

        if PARENT not in self._composer.environment(overrides):
            message = "hydra/launcher=stacked trains points of the sweeper grid alone; set hydra/sweeper=grid"
            raise InputError(message)
        return Candidate(overrides, parse(self._composer.composed(overrides).values))

    def _record(self, point: "Point", failure: "PointError | None") -> JobReturn:
        from plainmlp.sweeps.running.job import PARENT, record_outcome

        environment = self._composer.environment(point.overrides)
        with env_override(environment):
            record_outcome(point, environment[PARENT], self._composer.conf_folder.parent, failure)
        result = JobReturn(point.overrides, status=JobStatus.COMPLETED if failure is None else JobStatus.FAILED)
        result.return_value = failure
        return result


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
