"""Promotion: a run that MLflow holds, as overrides of conf/ that make `dvc repro` compute the same point."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plainmlp.composition.choices import REQUIRED_DATASET_KEYS
from plainmlp.composition.compose import compose, parse
from plainmlp.composition.edits import literal, section_overrides
from plainmlp.config.canonical import canonical, parse_yaml
from plainmlp.config.inputs import locate_inputs
from plainmlp.config.schema import TrackingSection
from plainmlp.system.errors import InputError
from plainmlp.tracking.provenance.identity import RESULT_SECTIONS
from plainmlp.tracking.recording.training import open_store

CONFIGURATION = "config.yaml"  # among the artifacts of a run
CHOSEN_BY_NAME = ("dataset", "optimizer")  # sections whose keys depend on their name, so on the file that is chosen


def promoted_overrides(run_id: str, tracking: TrackingSection, checkout: Path) -> list[str]:
    """Return the overrides under which conf/ gives the configuration of a run.

    Parameters
    ----------
    run_id : str
        Of a single run or of a point of a sweep.
    tracking : TrackingSection
        Where the run is.
    checkout : Path
        The repository, whose conf/ is overridden; paths become relative to it.
    """
    text = open_store(tracking, checkout).read_artifact(run_id, CONFIGURATION)
    config = locate_inputs(
        parse(parse_yaml(text, f"{CONFIGURATION} of run={run_id}")),
        lambda key, path: Path(os.path.relpath(path, checkout)),
    )
    wanted = canonical(config)
    dataset = wanted["dataset"]
    needed = REQUIRED_DATASET_KEYS.get(dataset["name"], ())
    chosen = [f"{section}={wanted[section]['name']}" for section in CHOSEN_BY_NAME]
    chosen += [f"dataset.{key}={literal(dataset[key])}" for key in needed]
    given = canonical(parse(compose(checkout / "conf", chosen)))
    changes = [
        change for section in RESULT_SECTIONS for change in section_overrides(section, wanted[section], given[section])
    ]
    overrides = [*chosen, *changes]
    _check(overrides, wanted, run_id, checkout)
    return overrides


def _check(overrides: list[str], wanted: Mapping[str, Any], run_id: str, checkout: Path) -> None:
    """Make sure that conf/ under the overrides gives what is wanted."""
    found = canonical(parse(compose(checkout / "conf", overrides)))
    for section in RESULT_SECTIONS:
        if found[section] != wanted[section]:
            message = (
                f"run={run_id}: its {section} cannot be had from conf/: {found[section]} instead of {wanted[section]}"
            )
            raise InputError(message)
