"""Checks of the section tracking: an address must hold no credentials, an experiment's name be no path."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from plainmlp.composition.explanation import refusal
from plainmlp.config.schema import TrackingSection
from plainmlp.system.errors import InputError
from plainmlp.tracking.credentials import holds_credentials, without_credentials


def tracking_problems(tracking: TrackingSection) -> list[str]:
    """Return one line for each key of tracking with a value that is not allowed."""
    problems = _address_problems("tracking.uri", tracking.uri or "")
    parts = tracking.experiment.split("/")  # it becomes a folder of artifacts
    if {"", ".", ".."} & set(parts) or not tracking.experiment.isprintable():
        allowed = "a name of printable characters, with no / at an end and no part . or .."
        problems.append(refusal("tracking.experiment", tracking.experiment, [allowed]))
    return problems


def refuse_credentials(conf_folders: Iterable[Path], overrides: Sequence[str]) -> None:
    """Refuse plain credentials of tracking before Hydra writes them into the folder of a job."""
    places = [(key, text) for key, _, text in (each.partition("=") for each in overrides) if "tracking" in key]
    for path in sorted(path for folder in conf_folders for path in folder.rglob("*.yaml") if path.is_file()):
        text = path.read_text("utf-8", errors="replace")  # Hydra says what is wrong with it
        lines = [line.partition(" #")[0] for line in text.splitlines()]
        places += [(f"{path}: uri", line) for line in lines if "uri:" in line]
    problems = [problem for key, text in places for problem in _address_problems(key, text.strip(" '\""))]
    if problems:
        raise InputError(problems[0])


def _address_problems(key: str, address: str) -> list[str]:
    """Return a line if a store's address holds credentials, which would end up in every file that names it."""
    if not holds_credentials(address):
        return []
    allowed = (
        "an address without credentials; those belong in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or with the whole address in MLFLOW_TRACKING_URI"
    )
    return [refusal(key, without_credentials(address), [allowed])]
