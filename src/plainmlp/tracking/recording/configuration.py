"""The recorded configuration: a text, and flat parameters, without credentials in the tracking address."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from plainmlp.config.canonical import canonical, dump_yaml
from plainmlp.config.schema import Config, SweepSection
from plainmlp.tracking.credentials import without_credentials
from plainmlp.tracking.tags import SHORTENED_TAG

LONGEST_PARAMETER = 6000  # MLflow cuts longer values
LONGEST_TAG = 8000
FIRST = ("model", "optimizer", "training", "seed", "dataset", "split", "backend", "sweep")  # as MLflow lists them
EMPTY = {"null", "[]"}
_SHORTENED = re.compile(r" \.\.\. \(shortened; whole in config\.yaml; SHA-256 [0-9a-f]{64}\)$")


def recorded_text(config: Config) -> str:
    """Return the content of the artifact config.yaml."""
    return dump_yaml(_without_credentials(config))


def recorded_parameters(config: Config) -> dict[str, str]:
    """Return the configuration as MLflow parameters: what was chosen first, and last what is empty.

    What cannot change a result is only in config.yaml: `tracking.*`, `animation`, and the defaults of `sweep.*`.
    """
    sections = canonical(_without_credentials(config)).items()
    flat = {key: text for name, value in sections for key, text in _flat_section(name, json.dumps(value)).items()}
    return dict(sorted(shown_parameters(flat).items(), key=_place))


@lru_cache(1024)
def _flat_section(name: str, value: str) -> Mapping[str, str]:
    """Return the parameters of a section, given as JSON; the points of a sweep share most of theirs."""
    return MappingProxyType(flat_parameters({name: json.loads(value)}))


def shown_parameters(flat: Mapping[str, str]) -> dict[str, str]:
    """Return the flat parameters that MLflow gets."""
    shown = {key: text for key, text in flat.items() if key.partition(".")[0] in FIRST}
    return {key: text for key, text in shown.items() if (key, text) not in _usual()}


@cache
def _usual() -> Set[tuple[str, str]]:
    """Return the parameters of a sweep with default settings."""
    usual = SweepSection(name=None, exclude=(), sample=None, seed=0, metric="auto").model_dump(mode="json")
    return flat_parameters({"sweep": usual}).items()


def _place(parameter: tuple[str, str]) -> tuple[bool, int, str]:
    """Return what orders parameters in MLflow's lists."""
    key, text = parameter
    return text in EMPTY, FIRST.index(key.partition(".")[0]), key


def configuration_tags(text: bytes, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return `configuration_digest`, the SHA-256 of config.yaml, and the parameters that MLflow does not hold whole."""
    tags = {"configuration_digest": hashlib.sha256(text).hexdigest()}
    shortened = shortened_keys(parameters)
    return {**tags, SHORTENED_TAG: shortening_note(shortened)} if shortened else tags


def _without_credentials(config: Config) -> Config:
    uri = config.tracking.uri
    tracking = config.tracking.model_copy(update={"uri": None if uri is None else without_credentials(uri)})
    return config.model_copy(update={"tracking": tracking})


def flat_parameters(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return a canonical configuration as MLflow parameters under their keys, such as `model.hidden_sizes`.

    An entry chosen by name has its name under its own key and its options below it: `model.initializer` and
    `model.initializer.mean`. A value that MLflow would cut is shortened, and says so.
    """
    return {key: _shortened(_text(value)) for key, value in _leaves(configuration)}


def shortened_keys(parameters: Mapping[str, str]) -> list[str]:
    """Return the keys of the parameters whose values MLflow holds shortened."""
    return [key for key, text in parameters.items() if _SHORTENED.search(text)]


def shortening_note(keys: Sequence[str]) -> str:
    """Return keys as the value of a tag."""
    text = ", ".join(keys)
    return text if len(text) <= LONGEST_TAG else f"{len(keys)} parameters: {text}"[: LONGEST_TAG - 4] + " ..."


def _leaves(mapping: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is not a mapping, with its key."""
    for name, value in mapping.items():
        key = f"{section}{name}"
        if not isinstance(value, Mapping) or not value:
            yield key, value
        elif section and isinstance(value.get("name"), str):  # below a section, a chosen entry
            yield key, value["name"]
            yield from _leaves({option: value[option] for option in value if option != "name"}, f"{key}.")
        else:
            yield from _leaves(value, f"{key}.")


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode(errors="backslashreplace").decode()  # a file name may hold bytes that are no text


def _shortened(text: str) -> str:
    """Return a text that MLflow does not cut; different texts stay different."""
    if len(text) <= LONGEST_PARAMETER:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    note = f" ... (shortened; whole in config.yaml; SHA-256 {digest})"
    return text[: LONGEST_PARAMETER - len(note)] + note
