"""Many configurations composed as Hydra does, in a fraction of the time: what they share is composed once."""

import copy
import os
import pickle
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml  # type: ignore[import-untyped]
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from plainmlp.composition.explanation import explanation
from plainmlp.sweeps.grid.exclusion import flat_items
from plainmlp.sweeps.grid.grid import Composed
from plainmlp.system.errors import InputError

# Hydra meets some malformed overrides with a bare ValueError or AssertionError.
ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError, AssertionError)
ENVIRONMENT = "hydra.job.env_set."
SHARED_AT_ONCE = 64
OVERRIDES_AT_ONCE = 2**14


class _Base(NamedTuple):
    """What jobs share: the whole configuration, the part of it that a job itself sees, and the chosen files.

    The configurations are pickled, since reading a pickle is the fastest way to a copy.
    """

    pickled: bytes
    pickled_task: bytes
    choices: dict[str, Any]


class Composer:
    """Composes the jobs of a sweep, each from its overrides.

    Parameters
    ----------
    loader : ConfigLoader
        Hydra's own, which composes what is shared, and alone whatever the fast way cannot.
    master : DictConfig
        The configuration of the sweep, with its node `hydra`.

    Notes
    -----
    Overrides that choose files, and those of Hydra's own settings, decide what is shared. The others set values, or a
    job's environment; they are applied to a copy of it by Hydra's own function, in their order.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader = cast("ConfigLoaderImpl", loader)
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed = lru_cache(OVERRIDES_AT_ONCE)(self._parse)
        self._base = lru_cache(SHARED_AT_ONCE)(self._compose_base)
        self.conf_folder = next(
            Path(source.path) for source in master.hydra.runtime.config_sources if source.provider == "main"
        )

    def given(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return what overrides set, by key or group, without those that delete."""
        parsed = [self._parsed(override)[0] for override in overrides]
        return {override.key_or_group: override.value() for override in parsed if not override.is_delete()}

    def composed(self, overrides: Sequence[str]) -> Composed:
        """Compose the configuration of a job, as plain values, and the choices of files behind it.

        Raises
        ------
        InputError
            As `config.compose` does.
        """
        try:
            return self._composed(overrides)
        except ERRORS as error:
            line = explanation(error, self.conf_folder, overrides, lambda: self._known_keys(overrides))
            raise InputError(line) from error

    def job_config(self, overrides: Sequence[str], number: int) -> DictConfig:
        """Return the whole configuration of a job, ready for `hydra.core.utils.run_job`.

        Parameters
        ----------
        overrides : sequence of str
            Of the job.
        number : int
            Of the job, as `hydra.job.num` and `hydra.job.id`.

        Raises
        ------
        HydraException
            As Hydra's `load_sweep_config` does.
        """
        config = self._whole(overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config

    def _whole(self, overrides: Sequence[str]) -> DictConfig:
        try:
            return self._whole_from_base(overrides)
        except ERRORS:  # whether there is a mistake, and which, plain Hydra says
            return self._loader.load_sweep_config(self._master, list(overrides))

    def _whole_from_base(self, overrides: Sequence[str]) -> DictConfig:
        parsed = [self._parsed(override)[0] for override in overrides]
        config: DictConfig = pickle.loads(self._base_of(overrides).pickled)  # noqa: S301 - our own
        self._apply(overrides, config)
        job_overrides = [override for override in parsed if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in job_overrides]
        of_hydra = [override.input_line for override in parsed if override.is_hydra_override()]
        config.hydra.overrides.hydra = [*self._master.hydra.overrides.hydra, *of_hydra]
        config.hydra.job.env_set.update({key: os.environ[key] for key in config.hydra.job.env_copy})
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            job_overrides, naming.exclude_keys, naming.item_sep, naming.kv_sep
        )
        OmegaConf.copy_cache(self._master, config)
        return config

    def _composed(self, overrides: Sequence[str]) -> Composed:
        try:
            base = self._base_of(overrides)
            task = pickle.loads(base.pickled_task)  # noqa: S301 - our own
            self._apply(overrides, task)
            OmegaConf.copy_cache(self._master, task)
            return Composed(_plain(task), base.choices)
        except ERRORS:
            return self._composed_as_job(overrides)

    def _composed_as_job(self, overrides: Sequence[str]) -> Composed:
        """Compose by plain Hydra, with its settings in place as a job has them, for values such as ${hydra:job.name}."""
        config = self._loader.load_sweep_config(self._master, list(overrides))
        singleton = HydraConfig.instance()
        before = singleton.cfg
        singleton.set_config(config)
        try:
            return Composed(_plain(_task_of(config)), _choices(config))
        finally:
            singleton.cfg = before

    def _apply(self, overrides: Sequence[str], config: DictConfig) -> None:
        """Set the values that are not in what is shared already, those of Hydra where its node is there."""
        own = [override for override, is_shared in map(self._parsed, overrides) if not is_shared]
        fitting = [override for override in own if "hydra" in config or not _of_hydra(override)]
        self._loader._apply_overrides_to_config(fitting, config)

    def _known_keys(self, overrides: Sequence[str]) -> list[str]:
        """Return every key that there is with the files that these overrides choose, and every group."""
        parsed = {text: self._parsed(text) for text in overrides}
        base = self._base_of(
            [text for text, (override, shared) in parsed.items() if shared and not _of_hydra(override)]
        )
        keys = (key for key, _ in flat_items(_plain(pickle.loads(base.pickled_task))))  # noqa: S301 - our own
        return sorted({*keys, *base.choices})

    def _base_of(self, overrides: Sequence[str]) -> _Base:
        shared = tuple(override for override in overrides if self._parsed(override)[1])
        return self._base(tuple(self._master.hydra.overrides.hydra), shared)

    def _compose_base(self, sweep_overrides: tuple[str, ...], shared: tuple[str, ...]) -> _Base:
        """Compose what is shared; Hydra reads the sweep's own overrides from the master, which may change."""
        whole = self._loader.load_sweep_config(self._master, list(shared))
        return _Base(pickle.dumps(whole), pickle.dumps(_task_of(whole)), _choices(whole))

    def _parse(self, text: str) -> tuple[Override, bool]:
        """Return an override, and whether it is composed with what is shared."""
        [override] = self._parser.parse_overrides([text])
        return override, self._is_shared(override)

    def _is_shared(self, override: Override) -> bool:
        if override.key_or_group.startswith(ENVIRONMENT):  # differs from job to job, and nothing depends on it
            return False
        if override.is_sweep_override() or _of_hydra(override):
            return True
        if self._master.hydra.searchpath:  # may hold groups that only a whole composition finds
            return True
        return self._loader.repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)


def _of_hydra(override: Override) -> bool:
    """Say whether an override is of Hydra's own settings, or of all of them at once."""
    return override.key_or_group == "hydra" or override.is_hydra_override()


def _task_of(config: DictConfig) -> DictConfig:
    """Return a copy of the configuration without Hydra's node."""
    task = copy.deepcopy(config)
    with open_dict(task):
        del task["hydra"]
    return task


def _choices(config: DictConfig) -> dict[str, Any]:
    """Return the file of each group, without Hydra's own groups."""
    return {key: name for key, name in _plain(config.hydra.runtime.choices).items() if not key.startswith("hydra/")}


def _plain(config: DictConfig) -> dict[str, Any]:
    return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
