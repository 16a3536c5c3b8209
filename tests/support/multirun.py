"""Hydra as it is when a sweep begins: its loader, and the configuration of the whole sweep."""

from copy import deepcopy
from functools import cache

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from configurations import CONF


def begin(*overrides: str) -> tuple[ConfigLoader, DictConfig]:
    """Return what Hydra hands to a sweeper under the overrides of a command line."""
    loader, master = _begun(*overrides)
    return loader, deepcopy(master)


@cache
def _begun(*overrides: str) -> tuple[ConfigLoader, DictConfig]:
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="run"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        master = hydra.compose_config("config", list(overrides), RunMode.MULTIRUN, with_log_configuration=False)
        return hydra.config_loader, master
