"""The launcher `stacked`: trains the points of a sweep in processes, each network alone, and records each."""

import logging
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from plainmlp.sweeps.running.job import Job

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
    """

    def __init__(self, n_jobs: int | None = None) -> None:
        from plainmlp.system.errors import InputError

        super().__init__()
        if n_jobs is not None and n_jobs < 1:
            message = f"hydra.launcher.n_jobs={n_jobs} is not allowed; it must be at least 1, or null for one a core"
            raise InputError(message)
        self._n_jobs = n_jobs or _cores()

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in the configuration of the sweep, as Hydra calls it."""
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Refuse what another sweeper launches."""
        from plainmlp.system.errors import InputError

        message = "hydra/launcher=stacked trains points of the sweeper grid alone; set hydra/sweeper=grid"
        raise InputError(message)

    def train(self, checkout: Path, jobs: Sequence["Job"]) -> None:
        """Train and record the points of jobs; a point that fails does not stop the others."""
        from plainmlp.sweeps.running.archive import FOLDER, Archive
        from plainmlp.sweeps.running.job import record_outcome
        from plainmlp.sweeps.running.workers import train_points

        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        log.info("Launching %d jobs, trained by %d processes", len(jobs), self._n_jobs)
        by_point = {job.point.point_id: job for job in jobs}
        points = [job.point for job in jobs]
        # closed here, and its processes with it, also where recording ends with Ctrl-C
        with closing(train_points(points, Archive(checkout / FOLDER), self._n_jobs)) as results:
            for point_id, failure in results:
                record_outcome(by_point[point_id], checkout, failure)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
