"""What an experiment of DVC starts from: conf/config.yaml under overrides.yaml, to which DVC's Hydra adds each -S.

DVC runs it in its own process, where `plainmlp` may be that of another checkout, so it imports nothing of it.
"""

import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

SCHEME = "experiment"
CONFIG = "experiment_of_dvc"  # which .dvc/config names
VALUES = "values_of_overrides"


class ExperimentSearchPath(SearchPathPlugin):
    """Offer `CONFIG` beside the files of a checkout's conf/."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the checkout after the folder that the app names."""
        for element in search_path.get_path():
            conf = Path(element.path.removeprefix("file://"))
            if element.provider == "main" and (conf.parent / "overrides.yaml").is_file():
                search_path.append(provider="plainmlp", path=f"{SCHEME}://{conf.parent}")
                return


class ExperimentSource(ConfigSource):
    """conf/config.yaml with what overrides.yaml chooses, and the values that overrides.yaml sets."""

    @staticmethod
    def scheme() -> str:
        """Return the beginning of its paths, which end with the folder of a checkout."""
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        """Return one of the two configurations."""
        choices, values = self._parted()
        config = values if config_path == VALUES else self._primary(choices)
        return ConfigResult(
            provider=self.provider, path=self.full_path(), config=config, header={"package": "_global_"}
        )

    def available(self) -> bool:
        """Say whether the checkout is there."""
        return Path(self.path).is_dir()

    def is_group(self, config_path: str) -> bool:
        """Say whether it has such a folder: it has none."""
        return False

    def is_config(self, config_path: str) -> bool:
        """Say whether it has such a file."""
        return config_path in {CONFIG, VALUES}

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return what is to be offered: nothing, since DVC alone asks for it."""
        return []

    def _primary(self, choices: dict[str, Any]) -> DictConfig:
        """Return config.yaml, its list of defaults lengthened, and under `overrides` what it was made under."""
        config = _read(Path(self.path) / "conf" / "config.yaml")
        listed = config["defaults"]
        first = next((place for place, entry in enumerate(listed) if _overrides_a_group(entry)), len(listed))
        listed.insert(first, VALUES)
        listed += [{f"override {group}": choice} for group, choice in choices.items()]
        made_under = json.dumps(_overrides(Path(self.path))).replace("$", "\\u0024")  # no interpolations
        return OmegaConf.create({**config, "overrides": made_under})

    def _parted(self) -> tuple[dict[str, Any], DictConfig]:
        """Return the files that overrides.yaml chooses, by group, and the values that it sets."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        choices: dict[str, Any] = {}
        values = OmegaConf.create({})
        for override in OverridesParser.create().parse_overrides(_overrides(Path(self.path))):
            is_group = (Path(self.path) / "conf" / override.key_or_group).is_dir()
            if is_group and not isinstance(override.value(), dict):
                choices[override.key_or_group] = override.value()
            elif override.is_delete():
                message = f"overrides.yaml: {override.input_line} is not allowed beside an experiment of DVC"
                raise ConfigLoadError(message)
            else:
                OmegaConf.update(values, override.key_or_group, override.value(), force_add=True)
        return choices, values


def _overrides_a_group(entry: object) -> bool:
    return isinstance(entry, dict) and any(str(key).startswith("override ") for key in entry)


def _overrides(checkout: Path) -> list[str]:
    listed = _read(checkout / "overrides.yaml").get("overrides")
    return listed if isinstance(listed, list) else []  # the stage compose says what is wrong


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
