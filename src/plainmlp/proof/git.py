"""Git for the verification: without hooks, and safe from words of a record that could be options."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from plainmlp.tracking.recording.provenance import named_commit

_COMMIT = re.compile(r"[0-9a-f]{40}")


def git(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder and return the result."""
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", *words]
    return subprocess.run(  # noqa: S603  git itself
        command, cwd=root, capture_output=True, text=True, errors="replace", check=False
    )


def commit_of(tags: Mapping[str, str]) -> str | None:
    """Return the commit of a run, if its tag is one: 40 hexadecimal digits, and no other name or option."""
    commit = named_commit(tags) or ""
    return commit if _COMMIT.fullmatch(commit) else None
