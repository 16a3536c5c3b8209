"""The sweeper `grid`: as Hydra's basic sweeper, but every point is checked and identified before the first is trained.

Without `from __future__ import annotations`, which would break every command: OmegaConf reads the types.
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.plainmlp_launcher.launcher import EngineLauncher

if TYPE_CHECKING:
    from plainmlp.sweeps.session import Launch


@dataclass
class GridSweeperConf:
    """The settings `hydra.sweeper`: for each key of a grid its values, as on the command line."""

    _target_: str = "hydra_plugins.plainmlp_launcher.sweeper.GridSweeper"
    params: dict[str, str] = field(default_factory=dict)  # not None, of which OmegaConf cannot set a key


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="plainmlp")


class GridSweeper(Sweeper):
    """Runs the points of a grid through whichever launcher is configured.

    Parameters
    ----------
    params : mapping of str to str
        For each key its values; those of the command line come on top.
    """

    def __init__(self, params: dict[str, str]) -> None:
        self._params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in what the sweep is made from, and make its launcher, as Hydra calls it."""
        self._config, self._loader = config, hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the grid of overrides, which Hydra's own are not among; if one is not valid, none is trained."""
        # Hydra imports this module for every command, and these take half a second.
        from hydra_plugins.plainmlp_launcher._composition import Composer
        from hydra_plugins.plainmlp_launcher._expansion import read_grid
        from plainmlp.sweeps.grid.grid import choose_points
        from plainmlp.sweeps.grid.points import identify_points
        from plainmlp.sweeps.running.archive import FOLDER, Archive
        from plainmlp.sweeps.session import run_sweep

        params = [f"{key}={values}" for key, values in self._params.items()]
        grid = read_grid([*params, *arguments], self._loader)
        composer = Composer(self._loader, self._config)
        candidates = choose_points(grid, composer, _settings(self._config))
        checkout = composer.conf_folder.parent
        points = identify_points(candidates, checkout, Archive(checkout / FOLDER).splits)
        try:
            run_sweep(points, self._launch_from(checkout), checkout, _made_folder(self._config))
        finally:
            if isinstance(self._launcher, EngineLauncher):
                self._launcher.close()

    def _launch_from(self, checkout: Path) -> "Launch":
        """Return what runs jobs: as they are under our own launcher, as overrides under one of Hydra's."""
        launcher = self._launcher
        if isinstance(launcher, EngineLauncher):
            return partial(launcher.train, checkout)
        return lambda jobs: launcher.launch([job.overrides() for job in jobs], initial_job_idx=0)


def _made_folder(config: DictConfig) -> Path:
    """Make the folder of the sweep, with its configuration in it, as the basic sweeper does."""
    folder = Path(config.hydra.sweep.dir).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    return folder


def _settings(config: DictConfig) -> Any:
    from plainmlp.sweeps.grid.grid import SECTION, read_settings

    section = OmegaConf.select(config, SECTION)
    return read_settings(OmegaConf.to_container(section, resolve=True) if OmegaConf.is_config(section) else section)
