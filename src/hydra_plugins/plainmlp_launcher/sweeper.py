"""The sweeper `grid`: as Hydra's basic sweeper, but every point is checked and identified before the first is trained.

Without `from __future__ import annotations`, which would break every command: OmegaConf reads the types.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


@dataclass
class GridSweeperConf:
    """The settings `hydra.sweeper`: for each key of a grid its values, as on the command line."""

    _target_: str = "hydra_plugins.plainmlp_launcher.sweeper.GridSweeper"
    params: dict[str, str] | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="plainmlp")


class GridSweeper(Sweeper):
    """Runs the points of a grid through whichever launcher is configured.

    Parameters
    ----------
    params : mapping of str to str, optional
        For each key its values; those of the command line come on top.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self._params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take in what the sweep is made from, and make its launcher, as Hydra calls it."""
        self._config, self._loader = config, hydra_context.config_loader
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the grid.

        Parameters
        ----------
        arguments : list of str
            The overrides of the command line, without Hydra's own.

        Raises
        ------
        InputError
            The grid, or a point of it, cannot be run; nothing has been trained then.
        TrainingError
            Points failed; the others have been run.
        """
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
        launch = partial(self._launcher.launch, initial_job_idx=0)
        run_sweep(points, launch, checkout, _made_folder(self._config))


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
