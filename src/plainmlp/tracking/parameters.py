"""The parameters of a run: its configuration, flat, under the keys that it has in conf/."""

import json
from collections.abc import Mapping
from typing import Any

LONGEST_PARAMETER = 6000  # MLflow cuts longer values
SHORTENED = " ... (shortened; whole in config.yaml)"


def flat_parameters(configuration: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a canonical configuration as MLflow parameters under their keys, such as `model.hidden_sizes`.

    An entry chosen by name has its name under its own key and its options below it: `model.initializer` and
    `model.initializer.mean`. A value that MLflow would cut is shortened, and says so.
    """
    flat: dict[str, str] = {}
    for key, value in configuration.items():
        if not isinstance(value, Mapping):
            flat[prefix + key] = _parameter(value)
        elif prefix:  # below a section, a mapping is a chosen entry
            flat[prefix + key] = _parameter(value["name"])
            flat |= flat_parameters({k: v for k, v in value.items() if k != "name"}, f"{prefix}{key}.")
        else:
            flat |= flat_parameters(value, f"{key}.")
    return flat


def _parameter(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_PARAMETER else text[: LONGEST_PARAMETER - len(SHORTENED)] + SHORTENED
