"""The sweeper `grid`: as Hydra's basic sweeper, but every point is checked and identified before the first is trained.

Without `from __future__ import annotations`, which would break every command: OmegaConf reads the types.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf


@dataclass
class GridSweeperConf:
    """The settings `hydra.sweeper`: for each key of a grid its values, as on the command line."""

    _target_: str = "hydra_plugins.plainmlp_launcher.sweeper.GridSweeper"
    params: dict[str, str] | None = None


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="plainmlp")


class GridSweeper(BasicSweeper):
    """Runs the points of a grid through whichever launcher is configured.

    Parameters
    ----------
    params : mapping of str to str, optional
        For each key its values; those of the command line come on top.
    """

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)
        self._launched = 0

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

        config, loader = cast("DictConfig", self.config), cast("HydraContext", self.hydra_context).config_loader
        grid = read_grid([*self._parse_config(), *arguments], loader)
        composer = Composer(loader, config)
        candidates = choose_points(grid, composer, _settings(config))
        checkout = composer.conf_folder.parent
        points = identify_points(candidates, checkout, Archive(checkout / FOLDER).splits)
        run_sweep(points, self._launch, checkout, _made_folder(config))

    def _launch(self, jobs: Sequence[Sequence[str]]) -> Sequence[JobReturn]:
        """Run jobs, each given by its overrides, and number them on from those before."""
        first, self._launched = self._launched, self._launched + len(jobs)
        return cast("Launcher", self.launcher).launch(jobs, initial_job_idx=first)


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
