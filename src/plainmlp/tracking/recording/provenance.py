"""The provenance of a run as its record has it: tags, and the folder `provenance` of files that it is rebuilt from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from plainmlp.config.code import digest_result_code
from plainmlp.config.schema import TrainingSection
from plainmlp.tracking.provenance.environment import environment_tags, installed_packages
from plainmlp.tracking.provenance.fingerprint import numerics_tags
from plainmlp.tracking.provenance.repository import read_repository

FOLDER = "provenance"  # among the artifacts of a run
RECORD = "provenance.json"  # all tags of provenance
PACKAGES = "environment.txt"  # the installed packages
PATCH = "changes.patch"  # what the checkout has that the commit has not, where there is anything


@dataclass(frozen=True)
class Code:
    """The code that a process runs, and what it stands on.

    Parameters
    ----------
    tags : mapping of str to str
    packages : str
        What is installed.
    patch : bytes, optional
        As in `plainmlp.tracking.provenance.repository.Repository`.
    """

    tags: Mapping[str, str]
    packages: str
    patch: bytes | None


@cache
def read_code(checkout: Path) -> Code:
    """Return the code of a checkout; a process reads it once, since later edits are not in what it runs.

    Parameters
    ----------
    checkout : Path
        The repository whose code runs.
    """
    repository, packages = read_repository(checkout), installed_packages()
    tags = {**(repository.tags() if repository else {}), "code_digest": digest_result_code()}
    tags |= environment_tags(checkout, packages)
    return Code(MappingProxyType(tags), packages, repository.patch if repository else None)


def training_numerics(training: TrainingSection) -> Mapping[str, str]:
    """Return the fingerprint of what a training computes with."""
    return _numerics(training.threads, training.dtype)


@cache
def _numerics(threads: int, dtype: str) -> Mapping[str, str]:
    return MappingProxyType(numerics_tags(threads, dtype))


def common_numerics(trainings: Iterable[TrainingSection]) -> dict[str, str]:
    """Return what the fingerprints of several trainings have in common."""
    common = set.intersection(*(set(training_numerics(training).items()) for training in trainings))
    return dict(sorted(common))


def write_provenance(folder: Path, code: Code, tags: Mapping[str, str]) -> None:
    """Write the files of a run's provenance.

    Parameters
    ----------
    folder : Path
        Made where it is missing; the record is copied from there.
    code : Code
    tags : mapping of str to str
        All tags of provenance of the run.
    """
    folder.mkdir(exist_ok=True)
    record = json.dumps(dict(sorted(tags.items())), indent=2, ensure_ascii=False)
    (folder / RECORD).write_text(f"{record}\n", encoding="utf-8", newline="\n")
    (folder / PACKAGES).write_text(code.packages, encoding="utf-8", newline="\n")
    if code.patch:
        (folder / PATCH).write_bytes(code.patch)
