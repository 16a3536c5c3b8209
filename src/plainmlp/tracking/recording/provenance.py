"""The provenance of a run as it is recorded: tags, and a folder of files to rebuild the code from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from plainmlp.config.code import digest_result_code
from plainmlp.config.schema import TrainingSection
from plainmlp.system.errors import InputError
from plainmlp.system.files import read_json
from plainmlp.tracking.provenance.environment import environment_tags, installed_packages, numerics_tags
from plainmlp.tracking.provenance.repository import read_repository
from plainmlp.tracking.tags import COMMIT_TAG

PROVENANCE = "provenance"  # among the artifacts of a run
RECORD = "provenance.json"  # all tags of provenance
PACKAGES = "environment.txt"  # installed packages
PATCH = "changes.patch"  # how the code in the checkout differs from the commit
# begin what is in `RECORD` alone, since nobody looks for runs by it
IN_RECORD = (
    "numerics.",
    "environment_digest",
    "lock_digest",
    "code_digest",
    "data_digest",
    "split_digest",
    "configuration_digest",
    "git_commit",  # which MLflow's pages show as the version of the program
    "git_dirty",
)


@dataclass(frozen=True)
class Code:
    """The code that a process runs: its tags, the installed packages, the patch of `read_repository`, its warnings."""

    tags: Mapping[str, str]
    packages: str
    patch: bytes | None
    warnings: tuple[str, ...] = ()


@cache
def read_code(checkout: Path) -> Code:
    """Return the code of a checkout, which a process reads once: it does not run later edits."""
    repository, packages = read_repository(checkout), installed_packages()
    tags = {**(repository.tags() if repository else {}), "code_digest": digest_result_code()}
    tags |= environment_tags(checkout, packages)
    if repository is None:
        return Code(MappingProxyType(tags), packages, None)
    return Code(MappingProxyType(tags), packages, repository.patch, tuple(repository.warnings()))


def training_numerics(training: TrainingSection) -> Mapping[str, str]:
    """Return the fingerprint of the machine and libraries of a training."""
    return _numerics(training.threads, training.dtype)


@cache
def _numerics(threads: int, dtype: str) -> Mapping[str, str]:
    return MappingProxyType(numerics_tags(threads, dtype))


def common_numerics(trainings: Iterable[TrainingSection]) -> dict[str, str]:
    """Return the common part of the fingerprints of several trainings."""
    common = set.intersection(*(set(training_numerics(training).items()) for training in trainings))
    return dict(sorted(common))


def shown_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of provenance that MLflow shows and finds runs by; of a clean checkout only its commit."""
    shown = {key: value for key, value in tags.items() if not key.startswith(IN_RECORD)}
    if tags.get("git_dirty", "false") != "false":
        shown["git_dirty"] = tags["git_dirty"]
    return shown | ({COMMIT_TAG: tags["git_commit"]} if "git_commit" in tags else {})


def named_commit(tags: Mapping[str, str]) -> str | None:
    """Return what a run says of its commit: in its provenance, which is among the tags of early runs, or to MLflow."""
    return tags.get("git_commit", tags.get(COMMIT_TAG))


def recorded_provenance(folder: Path) -> dict[str, str]:
    """Return all tags of provenance among the files of a run, which are in a folder; none where it has no such file.

    Raises InputError if the file is damaged.
    """
    path = folder / PROVENANCE / RECORD
    found = read_json(path) if path.exists() else {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        message = f"{path}: is damaged: it must hold a text under each key"
        raise InputError(message)
    return found


def write_provenance(folder: Path, code: Code, tags: Mapping[str, str]) -> None:
    """Write the files of a run's provenance, with all its tags of provenance in one of them."""
    folder.mkdir(exist_ok=True)
    record = json.dumps(dict(sorted(tags.items())), indent=2, ensure_ascii=False)
    (folder / RECORD).write_text(f"{record}\n", encoding="utf-8", newline="\n")
    (folder / PACKAGES).write_text(code.packages, encoding="utf-8", newline="\n")
    if code.patch:
        (folder / PATCH).write_bytes(code.patch)
