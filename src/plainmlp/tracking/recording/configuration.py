"""The configuration as it is recorded: whole, but for the credentials in the tracking address."""

import hashlib
from collections.abc import Mapping

from plainmlp.config.canonical import canonical, dump_yaml
from plainmlp.config.schema import Config
from plainmlp.tracking.addresses import without_credentials
from plainmlp.tracking.parameters import flat_parameters, shortened_keys, shortening_note
from plainmlp.tracking.tags import SHORTENED_TAG


def recorded_text(config: Config) -> str:
    """Return the content of the artifact config.yaml."""
    return dump_yaml(_without_credentials(config))


def recorded_parameters(config: Config) -> dict[str, str]:
    """Return the configuration as MLflow parameters."""
    return flat_parameters(canonical(_without_credentials(config)))


def configuration_tags(text: bytes, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return `configuration_digest`, the SHA-256 of config.yaml, and the parameters that MLflow does not hold whole."""
    tags = {"configuration_digest": hashlib.sha256(text).hexdigest()}
    shortened = shortened_keys(parameters)
    return {**tags, SHORTENED_TAG: shortening_note(shortened)} if shortened else tags


def _without_credentials(config: Config) -> Config:
    uri = config.tracking.uri
    tracking = config.tracking.model_copy(update={"uri": None if uri is None else without_credentials(uri)})
    return config.model_copy(update={"tracking": tracking})
