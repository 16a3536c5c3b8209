"""The points of a sweep composed as Hydra does, in a fraction of the time: what they share is composed once."""

import copy
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from plainmlp.composition.compose import composition_errors
from plainmlp.composition.explanation import explanation
from plainmlp.config.canonical import flat_items
from plainmlp.system.errors import InputError

SHARED_AT_ONCE = 64
OVERRIDES_AT_ONCE = 2**14


@dataclass(frozen=True)
class Composed:
    """A point as Hydra composes it: plain values, and the chosen file of each group."""

    values: dict[str, Any]
    choices: Mapping[str, Any]


class _Base(NamedTuple):
    """What points share: the configuration, pickled since that is the fastest way to a copy, and the chosen files."""

    pickled: bytes
    choices: dict[str, Any]


class Composer:
    """Composes the points of a sweep, each from its overrides.

    Parameters
    ----------
    loader : ConfigLoader
        Hydra's own, which composes what is shared, and alone whatever the fast way cannot.
    master : DictConfig
        The configuration of the sweep, with its node `hydra`.

    Notes
    -----
    Overrides that choose files, and those of Hydra's own settings, decide what is shared. The others set values; they
    are applied to a copy of it, in their order.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self._loader, self._master = loader, master
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed = lru_cache(OVERRIDES_AT_ONCE)(self._parse)
        self._base = lru_cache(SHARED_AT_ONCE)(self._compose_base)
        self._is_group = cache(lambda key: bool(loader.get_group_options(key)))
        self.conf_folder = next(
            Path(source.path) for source in master.hydra.runtime.config_sources if source.provider == "main"
        )

    def given(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return what overrides set, by key or group, without those that delete."""
        parsed = [self._parsed(override)[0] for override in overrides]
        return {override.key_or_group: override.value() for override in parsed if not override.is_delete()}

    def composed(self, overrides: Sequence[str]) -> Composed:
        """Compose the configuration of a point, as plain values, and the choices of files behind it."""
        try:
            return self._composed_from_base(overrides)
        except composition_errors():  # whether there is a mistake, and which, plain Hydra says
            return self._composed_by_hydra(overrides)

    def _composed_from_base(self, overrides: Sequence[str]) -> Composed:
        base = self._base_of(overrides)
        config: DictConfig = pickle.loads(base.pickled)  # noqa: S301 - our own
        for override, is_shared in map(self._parsed, overrides):
            if not is_shared and not _of_hydra(override):
                _set_value(config, override)
        OmegaConf.copy_cache(self._master, config)
        return Composed(_plain(config), base.choices)

    def _composed_by_hydra(self, overrides: Sequence[str]) -> Composed:
        """Compose with Hydra's settings in place as a job has them, for values such as ${hydra:job.name}."""
        singleton = HydraConfig.instance()
        before = singleton.cfg
        try:
            config = self._loader.load_sweep_config(self._master, list(overrides))
            singleton.set_config(config)
            return Composed(_plain(_without_hydra(config)), _choices(config))
        except composition_errors() as error:
            line = explanation(error, self.conf_folder, overrides, lambda: self._known_keys(overrides))
            raise InputError(line) from error
        finally:
            singleton.cfg = before

    def _known_keys(self, overrides: Sequence[str]) -> list[str]:
        """Return every key that there is with the files that these overrides choose, and every group."""
        parsed = {text: self._parsed(text) for text in overrides}
        base = self._base_of(
            [text for text, (override, shared) in parsed.items() if shared and not _of_hydra(override)]
        )
        keys = (key for key, _ in flat_items(_plain(pickle.loads(base.pickled))))  # noqa: S301 - our own
        return sorted({*keys, *base.choices})

    def _base_of(self, overrides: Sequence[str]) -> _Base:
        return self._base(tuple(override for override in overrides if self._parsed(override)[1]))

    def _compose_base(self, shared: tuple[str, ...]) -> _Base:
        config = self._loader.load_sweep_config(self._master, list(shared))
        return _Base(pickle.dumps(_without_hydra(config)), _choices(config))

    def _parse(self, text: str) -> tuple[Override, bool]:
        """Return an override, and whether it is composed with what is shared."""
        [override] = self._parser.parse_overrides([text])
        return override, self._is_shared(override)

    def _is_shared(self, override: Override) -> bool:
        if override.is_sweep_override() or _of_hydra(override):
            return True
        if self._master.hydra.searchpath:  # may hold groups that only a whole composition finds
            return True
        return self._is_group(override.key_or_group) and not isinstance(override.value(), dict)


def _of_hydra(override: Override) -> bool:
    """Say whether an override is of Hydra's own settings, or of all of them at once."""
    return override.key_or_group == "hydra" or override.is_hydra_override()


def _set_value(config: DictConfig, override: Override) -> None:
    """Set a value as Hydra does; raise HydraException if the override does more than that, and is left to Hydra."""
    key = override.key_or_group
    exists = OmegaConf.select(config, key, throw_on_missing=False) is not None
    if override.is_delete() or override.package is not None or (override.is_add() and exists):
        raise HydraException(override.input_line)
    OmegaConf.update(config, key, override.value(), force_add=override.is_add() or override.is_force_add())


def _without_hydra(config: DictConfig) -> DictConfig:
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
