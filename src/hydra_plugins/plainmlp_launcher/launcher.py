"""The launchers that train points in units: `processes` here, `dask` on a cluster; this process records every point."""

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from plainmlp.system.errors import InputError
from plainmlp.system.process import usable_cores

if TYPE_CHECKING:
    from plainmlp.sweeps.grid.points import Point
    from plainmlp.sweeps.running.archive import ArchivedPoint
    from plainmlp.sweeps.running.job import Job
    from plainmlp.sweeps.running.training import PointTraining
    from plainmlp.sweeps.running.units import Engine

log = logging.getLogger(__name__)
MODULE = "hydra_plugins.plainmlp_launcher.launcher"


@dataclass
class ProcessesConf:
    """The settings `hydra.launcher`: how many processes train at once, or null for one a core."""

    _target_: str = f"{MODULE}.ProcessesLauncher"
    n_jobs: int | None = None


@dataclass
class StackedConf(ProcessesConf):
    """The same under the name that it had."""

    _target_: str = f"{MODULE}.StackedLauncher"


@dataclass
class DaskConf:
    """The settings `hydra.launcher`: the address of a scheduler, or null for a cluster on this machine."""

    _target_: str = f"{MODULE}.DaskLauncher"
    address: str | None = None


@dataclass
class SlurmConf:
    """The settings `hydra.launcher`: how many jobs wait or run at once."""

    _target_: str = f"{MODULE}.SlurmLauncher"
    n_jobs: int = 16


CONFS = {"processes": ProcessesConf, "stacked": StackedConf, "dask": DaskConf, "slurm": SlurmConf}
for name, node in CONFS.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="plainmlp")


class EngineLauncher(Launcher):
    """Train what the archive does not hold, and record each point once it is there or has failed.

    A point is no job of Hydra's: it has no folder, no log and no callbacks.

    Parameters
    ----------
    n_jobs : int, optional
        How many train at once, at least 1; one for each core where it is not given.
    address : str, optional
        Of a scheduler, `tcp://host:port`; None starts a cluster on this machine.
    """

    _engine: "Engine | None" = None
    _begun: "PointTraining | None" = None

    def __init__(self, n_jobs: int | None = None, address: str | None = None) -> None:
        self.n_jobs, self.address = usable_cores() if n_jobs is None else n_jobs, address

    @abstractmethod
    def start(self, checkout: Path, n_points: int) -> "Engine":
        """Return the engine, ready to train; raise InputError where there is none."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in the configuration of the sweep, as Hydra calls it."""
        self._config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Refuse what another sweeper launches."""
        message = "this hydra/launcher needs hydra/sweeper=grid or search"
        raise InputError(message)

    def open(self, checkout: Path, n_points: int) -> "Engine":
        """Return the engine, started for so many points if it is not; it serves until `close`."""
        if self.n_jobs < 1:
            message = f"hydra.launcher.n_jobs={self.n_jobs} is not allowed; it must be at least 1"
            raise InputError(message)
        if self._engine is None:
            configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
            self._engine = self.start(checkout, n_points)
        return self._engine

    def begin(self, checkout: Path, points: Sequence["Point"]) -> "PointTraining":
        """Send out the first of the points that are to be trained next; the engine has work until `train` is called."""
        from plainmlp.sweeps.running.archive import ARCHIVE, Archive
        from plainmlp.sweeps.running.training import PointTraining

        self._begun = PointTraining(points, Archive(checkout / ARCHIVE), self.open(checkout, len(points)))
        return self._begun

    def train(self, checkout: Path, jobs: Sequence["Job"]) -> "dict[str, ArchivedPoint]":
        """Train and record the points of jobs, and return what the archive has of them, by their ids.

        A point that fails does not stop the others. An exception ends the engine at once.
        """
        from plainmlp.sweeps.running.job import Recorder

        log.info("Launching %d jobs, trained by %s", len(jobs), self.open(checkout, len(jobs)))
        by_point = {job.point.point_id: job for job in jobs}
        with Recorder(checkout) as recorder:
            try:
                begun = self._begun
                if begun is None or begun.points.keys() != by_point.keys():
                    begun = self.begin(checkout, [job.point for job in jobs])
                self._begun = None
                for point_id, failure in begun.ended():
                    recorder.add(by_point[point_id], failure)
            except BaseException:
                self.close()
                raise
        return recorder.kept

    def close(self) -> None:
        """End the engine, whatever it does."""
        if self._engine is not None:
            self._engine.close()
            self._engine = self._begun = None


class ProcessesLauncher(EngineLauncher):
    """Train in processes of this machine."""

    def start(self, checkout: Path, n_points: int) -> "Engine":
        """Return the processes, which begin to start; this one alone if one is enough."""
        from plainmlp.sweeps.running.processes import Processes
        from plainmlp.sweeps.running.units import ThisProcess

        n_jobs = self.n_jobs
        return ThisProcess() if n_jobs == 1 else Processes(n_jobs, n_points)


class StackedLauncher(ProcessesLauncher):
    """The launcher `processes` under its earlier name."""

    def start(self, checkout: Path, n_points: int) -> "Engine":
        """Say the name that it has now."""
        log.warning("hydra/launcher=stacked is called hydra/launcher=processes now")
        return super().start(checkout, n_points)


class DaskLauncher(EngineLauncher):
    """Train on the workers of a Dask cluster."""

    def start(self, checkout: Path, n_points: int) -> "Engine":
        """Return the cluster, whose workers have been asked for their code."""
        with _extra("dask"):
            from plainmlp.sweeps.running.dask_cluster import DaskCluster
        return DaskCluster(self.address, self.n_jobs)


class SlurmLauncher(EngineLauncher):
    """Train in jobs of Slurm, all of which see the checkout under the same path."""

    def start(self, checkout: Path, n_points: int) -> "Engine":
        """Return the means to submit jobs."""
        with _extra("slurm"):
            from plainmlp.sweeps.running.slurm import JOBS, Slurm
        return Slurm(checkout / JOBS, self.n_jobs)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Say which extra is missing where an import fails."""
    try:
        yield
    except ImportError as error:
        message = f"hydra/launcher={name} needs pip install 'plainmlp[{name}]' ({error})"
        raise InputError(message) from error
