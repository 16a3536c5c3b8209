"""The launcher `stacked`: trains the points of a sweep in processes, each network alone, and runs each as a job."""

import logging
import os
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from plainmlp.sweeps.grid.grid import Candidate

log = logging.getLogger(__name__)


@dataclass
class StackedLauncherConf:
    """The settings `hydra.launcher`: how many processes train at once, or null for one a core."""

    _target_: str = "hydra_plugins.plainmlp_launcher.launcher.StackedLauncher"
    n_jobs: int | None = None


ConfigStore.instance().store(group="hydra/launcher", name="stacked", node=StackedLauncherConf, provider="plainmlp")


class StackedLauncher(Launcher):
    """Train what the archive does not hold, and run each job as soon as its point is there or has failed.

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
        """Take in what jobs are run with, as Hydra calls it."""
        from hydra_plugins.plainmlp_launcher._composition import Composer

        self._context, self._task_function, self._config = hydra_context, task_function, config
        self._composer = Composer(hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs.

        Parameters
        ----------
        job_overrides : sequence of sequence of str
            For each job its overrides.
        initial_job_idx : int
            The number of the first.

        Returns
        -------
        sequence of JobReturn
            In the order of `job_overrides`.

        Raises
        ------
        InputError
            A job's configuration is not valid, or its data cannot be read; then no job has run.
        """
        setup_globals()
        self._log_as_hydra()
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        log.info("Launching %d jobs, trained by %d processes", len(job_overrides), self._n_jobs)
        returns: dict[int, JobReturn] = {}
        # closed here, and its processes with it, also where a job ends with Ctrl-C
        with closing(self._finished([tuple(overrides) for overrides in job_overrides])) as places:
            for place in places:
                returns[place] = self._run(job_overrides[place], initial_job_idx + place)
        return [returns[place] for place in range(len(job_overrides))]

    def _finished(self, jobs: Sequence[tuple[str, ...]]) -> Generator[int, None, None]:
        """Yield the place of each job as soon as its point is there or has failed."""
        from plainmlp.sweeps.grid.points import identify_points
        from plainmlp.sweeps.running.archive import FOLDER, Archive
        from plainmlp.sweeps.running.job import FAILED
        from plainmlp.sweeps.running.workers import train_points

        FAILED.clear()  # of an earlier sweep of this process
        checkout = self._composer.conf_folder.parent
        archive = Archive(checkout / FOLDER)
        points = identify_points(map(self._candidate, jobs), checkout, archive.splits)
        overrides = {point.point_id: point.overrides for point in points}
        places = defaultdict(list)
        for place, job in enumerate(jobs):
            places[job].append(place)
        with closing(train_points(points, archive, self._n_jobs)) as results:
            for point_id, failure in results:
                if failure is not None:
                    FAILED[point_id] = str(failure)
                yield from places.pop(overrides[point_id])
        for same in places.values():  # other overrides that compute what another job has computed
            yield from same

    def _candidate(self, overrides: tuple[str, ...]) -> "Candidate":
        from plainmlp.composition.compose import parse
        from plainmlp.sweeps.grid.grid import Candidate

        return Candidate(overrides, parse(self._composer.composed(overrides).values))

    def _run(self, overrides: Sequence[str], number: int) -> JobReturn:
        from hydra_plugins.plainmlp_launcher._replay import replay

        result = replay(self._composer.job_config(overrides, number), self._task_function, self._context)
        self._log_as_hydra()
        return result

    def _log_as_hydra(self) -> None:
        """Log as Hydra does between its jobs."""
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
