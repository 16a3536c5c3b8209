"""The packages that code runs with: those that were asked for, and those that are installed."""

import hashlib
import re
from importlib.metadata import distributions
from pathlib import Path

LOCK = "requirements.lock"


def installed_packages() -> str:
    """Return the installed packages, sorted, a line ``name==version`` each; of duplicates the one in use."""
    found: dict[str, str] = {}
    for distribution in distributions():
        metadata = distribution.metadata
        if metadata["Name"] is not None:  # the rest of a broken removal has none
            found.setdefault(re.sub(r"[-_.]+", "-", metadata["Name"]).lower(), metadata["Version"])
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def environment_tags(root: Path, packages: str) -> dict[str, str]:
    """Return `environment_digest` of the installed packages and, if the checkout has a lock file, `lock_digest`."""
    tags = {"environment_digest": hashlib.sha256(packages.encode()).hexdigest()}
    lock = root / LOCK
    return {"lock_digest": hashlib.sha256(lock.read_bytes()).hexdigest(), **tags} if lock.is_file() else tags
