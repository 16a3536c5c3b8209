"""The sweepers `grid`, as Hydra's basic one but with every point checked before the first is trained, and `search`.

Without `from __future__ import annotations`, which would break every command: OmegaConf reads the types.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.plainmlp_launcher.launcher import EngineLauncher

if TYPE_CHECKING:
    from plainmlp.sweeps.running.job import Job
    from plainmlp.sweeps.session import Launch


@dataclass
class GridSweeperConf:
    """The settings `hydra.sweeper`: for each key of a grid its values, as on the command line."""

    _target_: str = "hydra_plugins.plainmlp_launcher.sweeper.GridSweeper"
    params: dict[str, str] = field(default_factory=dict)  # not None, of which OmegaConf cannot set a key


@dataclass
class SearchSweeperConf(GridSweeperConf):
    """The same for the space of a search, where a key may have an interval."""

    _target_: str = "hydra_plugins.plainmlp_launcher.sweeper.SearchSweeper"


for name, node in {"grid": GridSweeperConf, "search": SearchSweeperConf}.items():
    ConfigStore.instance().store(group="hydra/sweeper", name=name, node=node, provider="plainmlp")


class GridSweeper(Sweeper):
    """Runs the points of a sweep through whichever launcher is configured.

    Parameters
    ----------
    params : mapping of str to str
        For each key its values; those of the command line come on top.
    """

    is_search = False

    def __init__(self, params: dict[str, str]) -> None:
        self._params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in what the sweep is made from, and make its launcher, as Hydra calls it."""
        self._config, self._loader = config, hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep of overrides, which Hydra's own are not among; if one is not valid, none is trained."""
        # Hydra imports this module for every command, and these take half a second.
        from hydra_plugins.plainmlp_launcher._expansion import plan_of
        from plainmlp.composition.composer import Composer
        from plainmlp.sweeps.running.archive import ARCHIVE, Archive
        from plainmlp.sweeps.session import is_new, run_sweep

        composer = Composer(self._loader, self._config)
        checkout = composer.conf_folder.parent
        params = [f"{key}={values}" for key, values in self._params.items()]
        plan = plan_of([*params, *arguments], self._loader, self._config, composer, is_search=self.is_search)
        missing = {point.point_id for point in plan.first} - Archive(checkout / ARCHIVE).present()
        try:
            if isinstance(self._launcher, EngineLauncher) and missing:  # before anything is recorded
                self._launcher.open(checkout, len(missing))
                if is_new(plan, checkout):  # MLflow has none of its points, and takes seconds to be opened
                    self._launcher.begin(checkout, plan.first)
            folder = Path(self._config.hydra.sweep.dir).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(self._config, folder / "multirun.yaml")  # as the basic sweeper does
            run_sweep(plan, self._launch_from(checkout), checkout, folder)
        finally:
            if isinstance(self._launcher, EngineLauncher):
                self._launcher.close()

    def _launch_from(self, checkout: Path) -> "Launch":
        """Return what runs jobs: as they are under our own launcher, as overrides under one of Hydra's."""
        launcher = self._launcher
        if isinstance(launcher, EngineLauncher):
            return partial(launcher.train, checkout)
        numbers = count()  # of the jobs, which their folders are named by

        def launch(jobs: Sequence["Job"]) -> None:
            first, *_ = [next(numbers) for _ in jobs]
            launcher.launch([job.overrides() for job in jobs], initial_job_idx=first)

        return launch


class SearchSweeper(GridSweeper):
    """Runs the points that a search asks for, batch by batch, through whichever launcher is configured."""

    is_search = True
